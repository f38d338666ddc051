"""The paper that this project reproduces: its numbers, and how ours compare."""
