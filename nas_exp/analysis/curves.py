"""Runs of a search as curves: by step, and by the seconds spent."""

from collections.abc import Sequence

import numpy as np

from nas_exp.arrays import FloatArray, IntArray


def padded_steps(steps: Sequence[int]) -> IntArray:
    """Return the step numbers of runs that have so many steps each: shape (runs, longest run).

    A run that ends early repeats its last step.
    """
    return np.minimum(np.arange(max(steps)), np.array(steps)[:, None] - 1)


def mean_and_std(curves: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return mean and sample standard deviation of curves at each step, shape (longest curve,); NaN where one is.

    A curve that ends early keeps its last value. One curve is looked at at a time; a single one has a deviation of 0.
    """
    steps = np.arange(max(len(curve) for curve in curves))
    total, squares = np.zeros(len(steps)), np.zeros(len(steps))
    for curve in curves:
        total += curve[np.minimum(steps, len(curve) - 1)]
    mean = total / len(curves)
    for curve in curves:
        squares += (curve[np.minimum(steps, len(curve) - 1)] - mean) ** 2
    return mean, np.sqrt(squares / max(1, len(curves) - 1))


def steps_by(seconds: FloatArray, costs: FloatArray) -> IntArray:
    """Return how many steps each run has done within so many seconds; shapes as in `accuracy_at`."""
    return np.array([np.searchsorted(run, costs, side="right") for run in seconds], dtype=np.int64)


def accuracy_at(seconds: FloatArray, accuracy: FloatArray, costs: FloatArray) -> FloatArray:
    """Return the accuracy of each run's incumbent once the run has spent so many seconds: shape (runs, costs).

    Args:
        seconds: what the scores of each run took up to a step: shape (runs, steps), ascending.
        accuracy: of the incumbent at that step: shape (runs, steps).
        costs: seconds, shape (costs,). A step that ends at that very second counts.

    Returns:
        NaN where a run has not scored anything yet.
    """
    steps = steps_by(seconds, costs)
    last = np.take_along_axis(accuracy, np.maximum(steps - 1, 0), axis=1)
    return np.where(steps > 0, last, np.nan)
