"""What the numbers of a report are worth: intervals, tests between methods, and how well scores rank.

Functions of NumPy arrays. Intervals are 95 % intervals. What is random takes a seed, so that reports can be repeated.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nas_exp.tasks.correlate import correlations

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVEL = 0.95
"""Confidence level of every interval."""
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; bounds that the data cannot give are NaN."""

    value: float
    low: float
    high: float


_UNKNOWN = Interval(np.nan, np.nan, np.nan)


def mean_interval(values: FloatArray, *, seed: int = 0) -> Interval:
    """Return the mean with its bootstrap interval, in the unit of the values.

    The interval is bias-corrected and accelerated (BCa; Efron 1987, Better Bootstrap Confidence Intervals), and of
    percentiles where BCa is not defined. Equal values have an interval of no width, and one value has none. Of few
    values the interval is too narrow: of five normal ones, it holds the true mean in about 83 % of cases.

    Args:
        values: shape (n,), n at least 1. If one is NaN, so is the mean.
        seed: of the resamples.

    Raises:
        ValueError: `values` is not of that shape.
    """
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values of shape {values.shape}: expected (n,) with n at least 1")
    if np.isnan(values).any():
        return _UNKNOWN
    if (values == values[0]).all():
        value = float(values[0])
        return Interval(value, value, value) if len(values) > 1 else Interval(value, np.nan, np.nan)
    with warnings.catch_warnings():
        # values that differ in their last bits only: BCa divides by zero, warns and gives NaN
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap((values,), np.mean, confidence_level=LEVEL, method="BCa", rng=seed)
    low, high = found.confidence_interval
    if np.isnan(low) or np.isnan(high):
        low, high = np.quantile(found.bootstrap_distribution, _TAILS)
    return Interval(float(np.mean(values)), float(low), float(high))


def spearman_interval(score: FloatArray, accuracy: FloatArray, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """Return Spearman's rho with its paired bootstrap interval.

    Architectures are resampled with replacement and ranked anew, ties averaged; the interval is of percentiles, which
    the bounds of a correlation and its skewed distribution leave valid. It answers for architectures drawn
    independently. Where the whole space is correlated nothing was drawn, and the interval tells how far the figure
    depends on which cells a space happens to have. It is then too narrow, as many cells are equal up to relabelling:
    resampling classes of equal cells gives one eight times as wide (12-epoch validation accuracy on cifar10).

    Args:
        score: shape (n,), higher is better; scores that are not finite rank last, all equal.
        accuracy: shape (n,), finite, percent.
        resamples: how many; each takes time linear in n.
        seed: of the resamples.

    Returns:
        All NaN where all scores or all accuracies are equal; without bounds for fewer than four architectures.

    Raises:
        ValueError: the arrays do not have those shapes, or an accuracy is not finite.
    """
    usable = _usable(score, accuracy)
    value = correlations(usable, accuracy, top=1.0)["rho"]
    ranks = _dense_ranks(usable), _dense_ranks(accuracy)
    return _resampled(value, lambda drawn: _spearman_of_drawn(*ranks, drawn), len(usable), resamples, seed)


def kendall_interval(score: FloatArray, accuracy: FloatArray, *, resamples: int = 300, seed: int = 0) -> Interval:
    """Return Kendall's tau-b with its paired bootstrap interval: `spearman_interval` for the other coefficient.

    Each resample takes time n log n, about ten times that of Spearman's rho, hence fewer of them: the bounds then vary
    with the seed by some 8 % of the half-width (one standard deviation). An architecture that a resample holds twice is
    tied with itself in both rankings, which tau-b leaves out, so ties that resampling makes do not bias it.

    Args:
        score: shape (n,), higher is better; scores that are not finite rank last, all equal.
        accuracy: shape (n,), finite, percent.
        resamples: how many.
        seed: of the resamples.

    Returns:
        All NaN where all scores or all accuracies are equal; without bounds for fewer than four architectures.

    Raises:
        ValueError: the arrays do not have those shapes, or an accuracy is not finite.
    """
    usable = _usable(score, accuracy)
    value = correlations(usable, accuracy, top=1.0)["tau"]
    x, y = _dense_ranks(usable), _dense_ranks(accuracy)
    return _resampled(
        value, lambda drawn: float(stats.kendalltau(x[drawn], y[drawn]).statistic), len(usable), resamples, seed
    )


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
    """Methods whose average ranks differ by less are not told apart by Nemenyi's test at `alpha`."""


def ranks_over_datasets(table: FloatArray, names: Sequence[str], *, alpha: float = 0.05) -> Ranking:
    """Rank methods on each dataset, and test whether the average ranks differ: Friedman and Nemenyi.

    As Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, who recommends more than
    ten datasets for Friedman's chi-squared distribution to hold. With the three of NATS-Bench, p is rough and only
    large differences can be told apart.

    Args:
        table: mean results, higher is better: shape (datasets, methods), finite, at least two methods.
        names: of the methods.
        alpha: significance level of the critical difference.

    Raises:
        ValueError: `table` is not of that shape or not finite.
    """
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] != len(names) or len(names) < 2:
        raise ValueError(f"table of shape {table.shape}: expected (datasets, {len(names)}) with two methods or more")
    if not np.isfinite(table).all():
        raise ValueError("table: found a result that is not finite; expected one of every method on every dataset")
    datasets, methods = table.shape
    friedman = None
    # Friedman's statistic divides by zero where no dataset tells methods apart
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


@dataclass(frozen=True)
class RankingQuality:
    """How well scores rank architectures by accuracy. Correlations are None where there is nothing to correlate."""

    rho: float | None
    """Spearman."""
    tau: float | None
    """Kendall, tau-b."""
    rho_top: float | None
    """Spearman among the best-scored share."""
    tau_top: float | None
    precision: Mapping[int, float | None]
    """By k: the share of the k best-scored that are among the k most accurate; None for more than there are."""
    ndcg: Mapping[int, float | None]
    """By k: normalised discounted cumulative gain of the k best-scored; None likewise."""
    regret: float
    """Accuracy of the most accurate less that of the best-scored, percentage points."""


def ranking_quality(
    score: FloatArray, accuracy: FloatArray, *, top: float = 0.1, k: Sequence[int] = (10, 100)
) -> RankingQuality:
    """Return how well scores rank architectures, over all and among the best.

    nDCG is that of Järvelin and Kekäläinen (2002), Cumulated Gain-Based Evaluation of IR Techniques, with the discount
    1 / log2(1 + rank) that has become usual: the sum of discounted gains of the k best-scored, over that of the k most
    accurate. The gain of an architecture is its accuracy, scaled so that the worst of those given has 0 and the best 1.
    Where all are equally accurate every ranking is ideal, and nDCG is 1.

    Precision, nDCG and regret are expectations over the orders that equal scores could stand in (McSherry and Najork
    2008, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores): cells that
    are equal up to relabelling tie, at the top as well. An accuracy that ties with the k-th is among the k best.

    Args:
        score: shape (n,), higher is better; scores that are not finite rank last, all equal.
        accuracy: shape (n,), finite, percent.
        top: share of the best-scored that is correlated on its own, in (0, 1]; see `correlations`.
        k: how many of the best-scored to look at.

    Raises:
        ValueError: the arrays do not have those shapes, or an accuracy is not finite.
    """
    usable = _usable(score, accuracy)
    best_first = np.sort(accuracy)[::-1]
    highest, lowest = best_first[0], best_first[-1]
    gain = (accuracy - lowest) / (highest - lowest) if highest > lowest else np.ones_like(accuracy)
    discount = 1 / np.log2(2 + np.arange(len(accuracy)))
    found, ideal = (np.cumsum(discount * _expected_in_order(order, gain)) for order in (usable, accuracy))
    precision: dict[int, float | None] = dict.fromkeys(k)
    ndcg: dict[int, float | None] = dict.fromkeys(k)
    for count in k:
        if count <= len(accuracy):
            among_best = (accuracy >= best_first[count - 1]).astype(np.float64)
            precision[count] = float(_expected_in_order(usable, among_best)[:count].mean())
            ndcg[count] = float(found[count - 1] / ideal[count - 1])
    return RankingQuality(
        **correlations(usable, accuracy, top=top),
        precision=precision,
        ndcg=ndcg,
        regret=float(highest - _expected_in_order(usable, accuracy)[0]),
    )


@dataclass(frozen=True)
class NoiseCeiling:
    """Rank correlation of trained accuracy with that of a twin; `value` is a mean, the interval one of percentiles."""

    rho: Interval
    """Spearman, over all classes."""
    tau: Interval
    """Kendall, tau-b."""
    rho_top: Interval
    """Spearman among the share of twins whose first is best."""
    tau_top: Interval
    classes: int
    """Classes of two or more, each of which gives one pair of twins."""


def noise_ceiling(
    accuracy: FloatArray, classes: IntArray, *, top: float = 0.1, draws: int = 200, seed: int = 0
) -> NoiseCeiling:
    """Return how well the accuracy of an architecture is ranked by that of a twin, which computes the same function.

    Twins were trained separately, from other weights and, where dead operations differ, with other parameters that do
    nothing. In each draw every class of two or more gives two different members at random; the accuracies of the first
    members, as scores, are correlated with those of the second, over all classes and over the `top` share by score.
    Classes count alike, whatever their size; classes of one give nothing. The intervals are over draws: they hold the
    luck of which twins are taken, not that of which classes there are.

    So this is what a metric reaches that is as good as training an equal network once. It is no bound:

    * A metric that knew the expected accuracy of a function would have no noise of its own, and could come to about
      the square root of it. One that sees the very training run, as validation accuracy does, can pass it as well.
    * `rho_top` depends on how far apart the accuracies in the top share lie. A worse metric lets worse architectures
      in, and correlates more easily among them: compare it with metrics that choose nearly as well only.

    The class whose output does not depend on the input, with accuracy at chance, is in: it has many members, but gives
    one pair among all, which changes `rho` by less than 0.001.

    Args:
        accuracy: shape (n,), percent; architectures without one (NaN) are left out.
        classes: shape (n,), equal for architectures that compute the same function, such as numbers of
            `nas_exp.space.canonical_form`.
        top: share of the pairs, in (0, 1].
        draws: how many.
        seed: of the draws.

    Returns:
        All NaN where there is nothing to correlate.

    Raises:
        ValueError: the arrays do not have those shapes.
    """
    if accuracy.ndim != 1 or classes.shape != accuracy.shape:
        raise ValueError(f"accuracy {accuracy.shape} and classes {classes.shape}: expected one shape, (n,)")
    known = np.isfinite(accuracy)
    _, number, members = np.unique(classes[known], return_inverse=True, return_counts=True)
    by_class = accuracy[known][np.argsort(number, kind="stable")]
    start, members = (np.cumsum(members) - members)[members > 1], members[members > 1]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        first = rng.integers(members)
        # a step of 1 to members - 1 around the class: uniform over the others
        second = (first + 1 + rng.integers(members - 1)) % members
        found.append(correlations(by_class[start + first], by_class[start + second], top=top))
    return NoiseCeiling(
        **{name: _over_draws([each[name] for each in found]) for name in ("rho", "tau", "rho_top", "tau_top")},
        classes=len(members),
    )


@dataclass(frozen=True)
class Anytime:
    """How fast the searches of a job find what they find."""

    area: Interval
    """The incumbent's accuracy, mean over steps and runs, percent: the area under its curve a step."""
    budget: Interval
    """Architectures scored by the first step from which the mean curve stays near its final value."""
    best_found: Interval
    """Share of runs that meet an architecture with the best score of the space, 0 to 1."""


def anytime(
    accuracy: FloatArray,
    score: FloatArray,
    best_possible_score: float,
    *,
    tolerance: float = 0.5,
    resamples: int = 1000,
    seed: int = 0,
) -> Anytime:
    """Return how fast searches find what they find.

    The curves are taken over the steps at which every run's incumbent has an accuracy, as in the job's figure: at the
    first steps there may be no incumbent yet. The intervals of `area` (`mean_interval`) and `budget` (percentiles) are
    bootstrapped over runs, that of `best_found` is Wilson's for a binomial share, which has width at 0 and 1 too.

    Args:
        accuracy: of the incumbent: shape (runs, steps), percent, NaN where unknown.
        score: of the architecture that was scored, or of the incumbent: shape (runs, steps).
        best_possible_score: the highest finite score of the space. Equal up to a relative 1e-12 counts.
        tolerance: percentage points that still count as near the final value.
        resamples: how many.
        seed: of the resamples.

    Returns:
        `area` and `budget` all NaN where no step has the accuracies of all runs; without bounds for one run.

    Raises:
        ValueError: the arrays do not have those shapes.
    """
    if accuracy.ndim != 2 or not accuracy.size or score.shape != accuracy.shape:
        raise ValueError(f"accuracy {accuracy.shape} and score {score.shape}: expected one shape, (runs, steps)")
    runs = len(accuracy)
    hits = int(np.isclose(score, best_possible_score, rtol=1e-12, atol=0).any(axis=1).sum())
    wilson = stats.binomtest(hits, runs).proportion_ci(LEVEL, method="wilson")
    area = budget = _UNKNOWN
    step = np.flatnonzero(np.isfinite(accuracy).all(axis=0))
    if len(step):
        curves = accuracy[:, step]
        area = mean_interval(curves.mean(axis=1), seed=seed)

        def settled(drawn: IntArray) -> float:
            mean = curves[drawn].mean(axis=0)
            far = np.flatnonzero(np.abs(mean - mean[-1]) > tolerance)
            return float(step[far[-1] + 1 if len(far) else 0] + 1)

        budget = _resampled(settled(np.arange(runs)), settled, runs, resamples, seed, least=2)
    return Anytime(area, budget, Interval(hits / runs, float(wilson.low), float(wilson.high)))


def _usable(score: FloatArray, accuracy: FloatArray) -> FloatArray:
    if score.ndim != 1 or not len(score) or score.shape != accuracy.shape:
        raise ValueError(f"score {score.shape} and accuracy {accuracy.shape}: expected one shape, (n,)")
    if not np.isfinite(accuracy).all():
        raise ValueError("accuracy: found a value that is not finite")
    return np.where(np.isfinite(score), score, -np.inf)


def _dense_ranks(values: FloatArray) -> IntArray:
    return np.unique(values, return_inverse=True)[1]


def _spearman_of_drawn(x: IntArray, y: IntArray, drawn: IntArray) -> float:
    """Return Spearman's rho of ``x[drawn]`` and ``y[drawn]``, without sorting: x and y are dense ranks, shape (n,)."""
    times = np.bincount(drawn, minlength=len(x)).astype(np.float64)
    x_centred, y_centred = (_mid_ranks(ranks, times) - (len(drawn) + 1) / 2 for ranks in (x, y))
    x_weighted, y_weighted = x_centred * times, y_centred * times
    # sums, not dot products: BLAS would start threads, and wait for them longer than it computes
    variances = np.sum(x_weighted * x_centred) * np.sum(y_weighted * y_centred)
    return float(np.sum(x_weighted * y_centred) / np.sqrt(variances)) if variances > 0 else np.nan


def _mid_ranks(ranks: IntArray, times: FloatArray) -> FloatArray:
    equal = np.bincount(ranks, times)
    return (np.cumsum(equal) - (equal - 1) / 2)[ranks]


def _resampled(
    value: float | None, statistic: Callable[[IntArray], float], n: int, resamples: int, seed: int, *, least: int = 4
) -> Interval:
    """Return `value` with the percentiles of a statistic of n positions drawn with replacement, where it is defined.

    scipy.stats.bootstrap gives no percentiles if the statistic of one resample is not defined.
    """
    if value is None:
        return _UNKNOWN
    if n < least:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    found = np.array([statistic(rng.integers(n, size=n)) for _ in range(resamples)])
    low, high = np.quantile(found[np.isfinite(found)], _TAILS)
    return Interval(value, float(low), float(high))


def _differences(a: FloatArray, b: FloatArray) -> FloatArray:
    runs = min(len(a), len(b))
    difference = np.round(a[:runs] - b[:runs], 9)
    return difference[np.isfinite(difference)]


def _expected_in_order(score: FloatArray, gain: FloatArray) -> FloatArray:
    """Return the gains, best-scored first: shape (n,), each the mean over those of equal score."""
    group = _dense_ranks(-score)
    return (np.bincount(group, gain) / np.bincount(group))[np.sort(group)]


def _over_draws(found: Sequence[float | None]) -> Interval:
    values = np.array([value for value in found if value is not None])
    if not len(values):
        return _UNKNOWN
    low, high = np.quantile(values, _TAILS)
    return Interval(float(values.mean()), float(low), float(high))
