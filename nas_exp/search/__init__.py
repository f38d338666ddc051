"""One seeded search: its budget, its cost, its files."""
