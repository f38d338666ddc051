"""How well scores rank architectures by trained accuracy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nas_exp.analysis.intervals import UNKNOWN, Interval, resampled, without_bounds
from nas_exp.arrays import FloatArray, IntArray

K = 100
"""How many of the best-scored nDCG and precision look at."""


def best_scored(score: FloatArray, top: float) -> IntArray:
    """Return the positions of the `top` share of scores (n,), at least two, best first; what is not finite comes last.

    Ties at the border are all in, as which of them came first would be chance.
    """
    usable = np.where(np.isfinite(score), score, -np.inf)
    best_first = np.argsort(-usable, kind="stable")
    at_border = usable[best_first[: max(2, round(top * len(usable)))]].min(initial=np.inf)
    return best_first[: np.count_nonzero(usable >= at_border)]


def spearman(score: FloatArray, accuracy: FloatArray) -> float | None:
    """Return Spearman's rho as `correlations` does, without the rest."""
    usable = np.where(np.isfinite(score), score, -np.inf)
    if len(np.unique(usable)) < 2 or len(np.unique(accuracy)) < 2:
        return None
    return float(stats.spearmanr(usable, accuracy).statistic)


def correlations(score: FloatArray, accuracy: FloatArray, *, top: float) -> dict[str, float | None]:
    """Return Spearman's rho and Kendall's tau-b over all, and over the `top` share by score.

    Scores that are not finite rank last, all equal. Where all scores or all accuracies are equal, there is nothing to
    correlate and the values are None.

    Args:
        score: shape (n,), higher is better.
        accuracy: shape (n,), finite.
        top: share of the best-scored, in (0, 1]; ties at its border are all in.
    """
    usable, best = np.where(np.isfinite(score), score, -np.inf), best_scored(score, top)
    return {
        **_rank_correlations("", usable, accuracy),
        **_rank_correlations("_top", usable[best], accuracy[best]),
    }


def spearman_interval(
    score: FloatArray, accuracy: FloatArray, *, top: float = 1.0, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Return Spearman's rho with its paired bootstrap interval.

    Architectures are resampled with replacement and ranked again, ties averaged; the interval is of percentiles, which
    the bounds of a correlation and its skewed distribution leave valid. With `top` below 1, the share is taken of each
    resample, so that the luck of which architectures are among the best-scored is in the interval, too.

    It answers for architectures drawn independently. Where the whole space is correlated nothing was drawn, and the
    interval says how far the figure depends on which architectures a space happens to have. It is then too narrow
    where many architectures are equal: in the topology space, resampling classes of equal ones gives an interval eight
    times as wide.

    Args:
        score: shape (n,), higher is better; scores that are not finite rank last, all equal.
        accuracy: shape (n,), finite, percent.
        top: share of the best-scored that is correlated, in (0, 1]; ties at its border are all in.
        resamples: how many; each takes time linear in n.
        seed: of the resamples.

    Returns:
        All NaN where all scores or all accuracies are equal; without bounds for fewer than four architectures.

    Raises:
        ValueError: the arrays do not have those shapes, or an accuracy is not finite.
    """
    return _interval("rho_top", _spearman_of_drawn, score, accuracy, top=top, resamples=resamples, seed=seed)


def kendall_interval(
    score: FloatArray, accuracy: FloatArray, *, top: float = 1.0, resamples: int = 300, seed: int = 0
) -> Interval:
    """Return Kendall's tau-b with its paired bootstrap interval: `spearman_interval` for the other coefficient.

    Each resample takes time n log n, about ten times that of Spearman's rho, hence fewer of them: the bounds then vary
    with the seed by some 8 % of the half-width (one standard deviation). An architecture that a resample holds twice is
    tied with itself in both rankings, which tau-b leaves out, so ties that resampling makes do not bias it.

    Arguments, results and errors are those of `spearman_interval`.
    """
    return _interval("tau_top", _kendall_of_drawn, score, accuracy, top=top, resamples=resamples, seed=seed)


def ndcg_interval(
    score: FloatArray, accuracy: FloatArray, *, k: int = K, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Return nDCG of the k best-scored, as `ranking_quality` has it, with its paired bootstrap interval.

    Everything is computed from each resample: which are the best-scored and the most accurate, and the accuracies that
    have gains of 0 and 1. The k best of a resample are fewer different architectures, about 0.63 k of a large space.

    Args:
        score: shape (n,), higher is better; scores that are not finite rank last, all equal.
        accuracy: shape (n,), finite, percent.
        k: how many of the best-scored to look at.
        resamples: how many; each takes time linear in n.
        seed: of the resamples.

    Returns:
        All NaN for fewer than k architectures; without bounds for fewer than four.

    Raises:
        ValueError: the arrays do not have those shapes, or an accuracy is not finite.
    """
    usable = _usable(score, accuracy)
    value = ranking_quality(usable, accuracy, k=(k,)).ndcg[k].value
    ranks = _dense_ranks(-usable), _dense_ranks(-accuracy)
    return resampled(value, lambda drawn: _ndcg_of_drawn(*ranks, accuracy, drawn, k), len(usable), resamples, seed)


@dataclass(frozen=True)
class RankingQuality:
    """How well scores rank architectures by accuracy. Unknown figures are NaN, as are bounds that were not computed."""

    rho: Interval
    """Spearman."""
    tau: Interval
    """Kendall, tau-b."""
    rho_top: Interval
    """Spearman among the best-scored share."""
    tau_top: Interval
    precision: Mapping[int, Interval]
    """By k: the share of the k best-scored that are among the k most accurate; NaN for more than there are."""
    ndcg: Mapping[int, Interval]
    """By k: normalised discounted cumulative gain of the k best-scored; NaN likewise."""
    regret: Interval
    """Accuracy of the most accurate less that of the best-scored, percentage points."""
    architectures: int
    """How many have a score and an accuracy."""


def ranking_quality(
    score: FloatArray, accuracy: FloatArray, *, top: float = 0.1, k: Sequence[int] = (10, K)
) -> RankingQuality:
    """Return how well scores rank architectures, over all and among the best, without bounds.

    nDCG is that of Järvelin and Kekäläinen (2002), Cumulated Gain-Based Evaluation of IR Techniques, with the discount
    1 / log2(1 + rank) that has become usual: the sum of discounted gains of the k best-scored, over that of the k most
    accurate. The gain of an architecture is its accuracy, scaled so that the worst of those given has 0 and the best 1.
    Where all are equally accurate every ranking is ideal, and nDCG is 1.

    Precision, nDCG and regret are expectations over the orders that equal scores could stand in (McSherry and Najork
    2008, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores): equal
    architectures tie, at the top as well. An accuracy that ties with the k-th is among the k best.

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
    discount = _discount(len(accuracy))
    found, ideal = (np.cumsum(discount * _expected_in_order(order, gain)) for order in (usable, accuracy))
    precision, ndcg = (dict.fromkeys(k, UNKNOWN) for _ in range(2))
    for count in k:
        if count <= len(accuracy):
            among_best = (accuracy >= best_first[count - 1]).astype(np.float64)
            precision[count] = without_bounds(_expected_in_order(usable, among_best)[:count].mean())
            ndcg[count] = without_bounds(found[count - 1] / ideal[count - 1])
    rho, tau, rho_top, tau_top = map(without_bounds, correlations(usable, accuracy, top=top).values())
    regret = without_bounds(highest - _expected_in_order(usable, accuracy)[0])
    return RankingQuality(rho, tau, rho_top, tau_top, precision, ndcg, regret, len(accuracy))


def _interval(
    name: str,
    statistic: Callable[[IntArray, IntArray, IntArray], float],
    score: FloatArray,
    accuracy: FloatArray,
    *,
    top: float,
    resamples: int,
    seed: int,
) -> Interval:
    usable = _usable(score, accuracy)
    value = correlations(usable, accuracy, top=top)[name]
    x, y = _dense_ranks(usable), _dense_ranks(accuracy)
    return resampled(value, lambda drawn: statistic(x, y, _best_of_drawn(x, drawn, top)), len(x), resamples, seed)


def _best_of_drawn(x: IntArray, drawn: IntArray, top: float) -> IntArray:
    """Return those of the positions drawn that `best_scored` finds among them, without sorting: x are dense ranks."""
    if top == 1.0:
        return drawn
    from_best = np.cumsum(np.bincount(x[drawn])[::-1])
    border = len(from_best) - 1 - np.searchsorted(from_best, max(2, round(top * len(drawn))))
    return drawn[x[drawn] >= border]


def _kendall_of_drawn(x: IntArray, y: IntArray, drawn: IntArray) -> float:
    return float(stats.kendalltau(x[drawn], y[drawn]).statistic)


def _rank_correlations(suffix: str, score: FloatArray, accuracy: FloatArray) -> dict[str, float | None]:
    rho = spearman(score, accuracy)
    tau = None if rho is None else float(stats.kendalltau(score, accuracy).statistic)
    return {f"rho{suffix}": rho, f"tau{suffix}": tau}


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


def _ndcg_of_drawn(by_score: IntArray, by_accuracy: IntArray, accuracy: FloatArray, drawn: IntArray, k: int) -> float:
    """Return nDCG of the k best-scored of what was drawn, without sorting: dense ranks, 0 is best, shape (n,)."""
    times = np.bincount(drawn, minlength=len(accuracy)).astype(np.float64)
    lowest, highest = accuracy[drawn].min(), accuracy[drawn].max()
    if highest == lowest:
        return 1.0
    gain = (accuracy - lowest) / (highest - lowest) * times
    discounts = np.concatenate([[0.0], np.cumsum(_discount(k))])
    found, ideal = (_discounted(ranks, times, gain, discounts) for ranks in (by_score, by_accuracy))
    return found / ideal


def _discounted(ranks: IntArray, times: FloatArray, gain: FloatArray, discounts: FloatArray) -> float:
    """Return a discounted cumulative gain, each gain the mean over those of equal rank.

    Args:
        ranks: dense, 0 is best: shape (n,).
        times: how often each is there, likewise.
        gain: what each adds as often as it is there, likewise.
        discounts: by how many come first, the sum of their discounts, shape (k + 1,).
    """
    count = np.bincount(ranks, times)
    last = np.minimum(np.cumsum(count), len(discounts) - 1).astype(np.int64)
    mean = np.bincount(ranks, gain) / np.maximum(count, 1)
    return float(np.sum(mean * np.diff(discounts[last], prepend=0.0)))


def _discount(n: int) -> FloatArray:
    return 1 / np.log2(2 + np.arange(n))


def _expected_in_order(score: FloatArray, gain: FloatArray) -> FloatArray:
    """Return the gains, best-scored first: shape (n,), each the mean over those of equal score."""
    group = _dense_ranks(-score)
    return (np.bincount(group, gain) / np.bincount(group))[np.sort(group)]
