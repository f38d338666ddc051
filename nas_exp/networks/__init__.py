"""From an architecture to a network."""
