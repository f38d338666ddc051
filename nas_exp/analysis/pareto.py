"""Pareto fronts of searches that weigh scores against a cost."""

import math

import numpy as np

from nas_exp.arrays import FloatArray, IntArray


def front(arch_index: IntArray, score: FloatArray, cost: FloatArray) -> IntArray:
    """Return the steps at which the architectures that no other beats were first scored, cheapest first.

    One architecture beats another if its score is at least as high and its cost at least as low, and one of the two is
    better. Architectures that tie in both are all in the front. Those without a finite score or cost are not.

    Args:
        arch_index: of each step of a search, shape (steps,).
        score: of that architecture, likewise.
        cost: of that architecture, likewise.
    """
    from moocore import is_nondominated

    _, first = np.unique(arch_index, return_index=True)
    points = np.column_stack([score, cost])[first]
    finite = np.isfinite(points).all(axis=1)
    first, points = first[finite], points[finite]
    if not len(first):
        return first
    steps = first[is_nondominated(points, maximise=[True, False], keep_weakly=True)]
    return steps[np.lexsort((arch_index[steps], cost[steps]))]


def hypervolume(accuracy: FloatArray, cost: FloatArray, highest_cost: float) -> float:
    """Return the share of all networks imaginable that some networks beat: 0 to 1; NaN if an accuracy is unknown.

    It is the hypervolume (Zitzler and Thiele, 1999) with the reference point at accuracy 0 and the highest cost of the
    space, over the area up to accuracy 100 and cost 0.

    Args:
        accuracy: of the networks, percent: shape (networks,).
        cost: of the networks, likewise.
        highest_cost: of the space.
    """
    from moocore import hypervolume

    if not len(accuracy):
        return 0.0
    if np.isnan(accuracy).any():
        return math.nan
    points = np.column_stack([accuracy / 100, cost / highest_cost])
    return float(hypervolume(points, ref=[0.0, 1.0], maximise=[True, False]))
