"""Speed and memory, measured against plain references in the same run."""
