"""Statistics: rankings, intervals, comparisons, the noise ceiling."""
