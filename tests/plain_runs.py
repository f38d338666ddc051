"""Runs of searches as plain lists."""

from collections.abc import Sequence

import numpy as np

Run = Sequence[tuple[float, float]]
"""For each step: the seconds spent by then, and the incumbent's accuracy."""


def found_at(run: Run, cost: float) -> float:
    """What a run has found by then, as one would look it up by hand."""
    found = np.nan
    for seconds, accuracy in run:
        if seconds <= cost:
            found = accuracy
    return found
