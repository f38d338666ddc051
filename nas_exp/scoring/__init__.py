"""Scores of architectures: which table a configuration means, the table, and computing what it lacks."""
