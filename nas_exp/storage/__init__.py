"""Files appear whole and say whether they are still what was written."""
