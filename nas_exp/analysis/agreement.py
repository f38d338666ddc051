"""How far metrics agree on which architectures are better."""

from collections.abc import Sequence

import numpy as np
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from nas_exp.arrays import FloatArray, IntArray


def agreement(scores: Sequence[tuple[IntArray, FloatArray]]) -> FloatArray:
    """Return Spearman's rho between each two metrics, over the architectures that both have scored.

    Scores that are not finite rank last, all equal.

    Args:
        scores: of each metric: the architectures that have a score, and the scores, shape (n,) each.

    Returns:
        Shape (metrics, metrics), 1 on the diagonal; NaN for two metrics without two architectures in common, or where
        all scores are equal.
    """
    import pandas as pd

    ranked = {
        number: pd.Series(stats.rankdata(np.where(np.isfinite(score), score, -np.inf)), index=arch_index)
        for number, (arch_index, score) in enumerate(scores)
    }
    # pandas compares each pair over the architectures that both have
    found = pd.DataFrame(ranked).corr(method="spearman", min_periods=2).to_numpy(copy=True)
    np.fill_diagonal(found, 1.0)
    return found


def alike_together(correlation: FloatArray) -> list[int]:
    """Return an order in which metrics that agree stand together, shape (metrics,).

    It is that of the leaves of an agglomerative clustering by average linkage, the distance between two metrics being
    one minus their correlation; the branches of the tree are turned so that neighbours are as similar as they can be
    (Bar-Joseph et al. 2001, Fast optimal leaf ordering for hierarchical clustering). A correlation that is not known
    counts as none.

    Args:
        correlation: between each two metrics: shape (metrics, metrics), symmetric.
    """
    if len(correlation) < 3:
        return list(range(len(correlation)))
    distance = 1 - np.nan_to_num(correlation, nan=0.0)
    np.fill_diagonal(distance, 0.0)
    # the last bits of a correlation of one are on either side
    between = np.maximum(squareform(distance, checks=False), 0.0)
    return hierarchy.leaves_list(hierarchy.linkage(between, method="average", optimal_ordering=True)).tolist()
