"""Search spaces: sets of architectures. Nothing here imports torch."""
