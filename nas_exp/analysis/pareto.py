"""Pareto fronts of searches that weigh scores against a cost."""

import math

import numpy as np

from nas_exp.algos import Costs, Trajectory
from nas_exp.arrays import FloatArray, IntArray


def front(trajectory: Trajectory, cost: Costs) -> IntArray:
    """Return the steps at which what no other beats was first scored, cheapest first.

    One architecture beats another if its score is at least as high and its cost at least as low, and one of the two is
    better. Architectures that tie in both are all in the front. What has no finite score or cost is not.
    """
    from moocore import is_nondominated

    _, first = np.unique(trajectory.arch_index, return_index=True)
    points = np.column_stack([trajectory.score[first], cost(trajectory.arch_index[first].tolist())])
    finite = np.isfinite(points).all(axis=1)
    first, points = first[finite], points[finite]
    if not len(first):
        return first
    best = is_nondominated(points, maximise=[True, False], keep_weakly=True)
    steps, costs = first[best], points[best, 1]
    return steps[np.lexsort((trajectory.arch_index[steps], costs))]


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
