"""The jobs of a sweep: planning, running and closing them."""
