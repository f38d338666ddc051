"""Tests between methods: in pairs, and over several datasets."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nas_exp.arrays import FloatArray


@dataclass(frozen=True)
class Comparison:
    """Two methods, compared over runs of the same number, which share their seed."""

    a: str
    b: str
    runs: int
    """Pairs of runs compared: those for which both methods have a value."""
    median_difference: float
    """Median of a - b over the pairs, in the unit of the results; NaN without pairs."""
    superiority: float
    """P(a > b) + P(a = b) / 2 over the pairs, 0 to 1; NaN without pairs."""
    p: float
    """Two-sided Wilcoxon signed-rank test of the pairs."""
    p_holm: float
    """The same, corrected for the number of comparisons (Holm 1979)."""


def compare_pairs(results: Mapping[str, FloatArray]) -> list[Comparison]:
    """Compare every pair of methods by the paired, two-sided Wilcoxon signed-rank test, Holm-corrected over all pairs.

    Pairs that are equal say nothing about the direction and are left out of the test, as Wilcoxon (1945) does; where
    all are equal p is 1. p is exact up to 13 unequal pairs and, where no two differences are of one size, up to 50.
    Differences are rounded to nine decimals: of two that are equal on paper, the last bits may differ.

    Args:
        results: by method, the result of each run, by its number: shape (runs,), higher is better. Methods with
            more runs than others are compared over the runs that both have, and so are runs with NaN.

    Returns:
        One comparison for each pair of methods, in the order of `results`.
    """
    pairs = list(itertools.combinations(results, 2))
    differences = [_differences(results[a], results[b]) for a, b in pairs]
    unequal = [difference[difference != 0] for difference in differences]
    p = [float(stats.wilcoxon(difference).pvalue) if len(difference) else 1.0 for difference in unequal]
    p_holm = multipletests(p, method="holm")[1] if p else []
    return [
        Comparison(
            a=a,
            b=b,
            runs=len(difference),
            median_difference=float(np.median(difference)) if len(difference) else np.nan,
            superiority=float((np.sign(difference).mean() + 1) / 2) if len(difference) else np.nan,
            p=p[number],
            p_holm=float(p_holm[number]),
        )
        for number, ((a, b), difference) in enumerate(zip(pairs, differences, strict=True))
    ]


def between(comparisons: Sequence[Comparison], a: str, b: str) -> Comparison | None:
    """Return how method a compares with method b, whichever of the two was compared with the other; None if unknown."""
    for one in comparisons:
        if (one.a, one.b) == (a, b):
            return one
        if (one.a, one.b) == (b, a):
            return replace(one, a=a, b=b, median_difference=-one.median_difference, superiority=1 - one.superiority)
    return None


@dataclass(frozen=True, eq=False)
class Ranking:
    """Methods ranked on each of several datasets."""

    names: tuple[str, ...]
    average_rank: FloatArray
    """Shape (methods,): 1 is best, ties averaged."""
    friedman_statistic: float | None
    """Friedman's chi-squared; None for two methods, or where all methods are equal on every dataset."""
    friedman_p: float | None
    nemenyi_p: FloatArray
    """Shape (methods, methods): p of Nemenyi's test between each two methods, 1 on the diagonal."""
    critical_difference: float
    """Methods whose average ranks differ by less do not differ by Nemenyi's test at `alpha`."""


def ranks_over_datasets(table: FloatArray, names: Sequence[str], *, alpha: float = 0.05) -> Ranking:
    """Rank methods on each dataset, and test whether the average ranks differ: Friedman and Nemenyi.

    As Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, who recommends more than
    ten datasets for Friedman's chi-squared distribution to hold. With the three of NATS-Bench, p is rough and only
    large differences are significant.

    Args:
        table: mean results, higher is better: shape (datasets, methods), finite, at least two methods.
        names: of the methods.
        alpha: significance level of the critical difference.

    Raises:
        ValueError: `table` is not of that shape or not finite.
    """
    import scikit_posthocs  # brings matplotlib, which reads settings as it is imported

    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] != len(names) or len(names) < 2:
        raise ValueError(f"table of shape {table.shape}: expected (datasets, {len(names)}) with two methods or more")
    if not np.isfinite(table).all():
        raise ValueError("table: found a result that is not finite; expected one of every method on every dataset")
    datasets, methods = table.shape
    friedman = None
    # Friedman's statistic divides by zero where all methods are equal on every dataset
    if methods > 2 and (table != table[:, :1]).any():
        friedman = stats.friedmanchisquare(*table.T)
    quantile = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf))
    return Ranking(
        names=tuple(names),
        average_rank=stats.rankdata(-table, axis=1).mean(axis=0),
        friedman_statistic=None if friedman is None else float(friedman.statistic),
        friedman_p=None if friedman is None else float(friedman.pvalue),
        nemenyi_p=scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy(dtype=np.float64),
        critical_difference=quantile / math.sqrt(2) * math.sqrt(methods * (methods + 1) / (6 * datasets)),
    )


def _differences(a: FloatArray, b: FloatArray) -> FloatArray:
    runs = min(len(a), len(b))
    difference = np.round(a[:runs] - b[:runs], 9)
    return difference[np.isfinite(difference)]
