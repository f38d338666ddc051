"""How well one metric ranks the space."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nas_exp.analysis.intervals import Interval
from nas_exp.analysis.ranking import K, kendall_interval, ranking_quality, spearman_interval
from nas_exp.arrays import FloatArray
from nas_exp.report.sweep import FinishedJob, FinishedSweep

TOP = 0.1
"""The share of the best-scored that reports on searches look at on its own."""


@dataclass(frozen=True)
class RankedMetric:
    """How well one metric ranks the space of one dataset by trained accuracy. What is not known is NaN."""

    name: str
    """Of the metric, and what of its parameters the sweep varied."""
    input: str
    """Where its scores come from, as in `Metric.input`."""
    rho: Interval
    """Spearman."""
    tau: Interval
    """Kendall, tau-b."""
    rho_top: Interval
    """Spearman among the best-scored share."""
    tau_top: Interval
    ndcg: Mapping[int, Interval]
    """By k: normalised discounted cumulative gain of the k best-scored."""
    precision: Mapping[int, float]
    """By k: the share of the k best-scored that are among the k most accurate."""
    regret: float
    """Accuracy of the most accurate less that of the best-scored, percentage points."""
    seconds: float
    """The mean of what a score takes."""
    architectures: int
    """How many have a score and an accuracy."""


def rank(name: str, kind: str, score: FloatArray, accuracy: FloatArray, seconds: FloatArray) -> RankedMetric:
    """Return how well scores rank accuracies.

    Args:
        name: of the metric.
        kind: where its scores come from.
        score: shape (n,).
        accuracy: percent, shape (n,).
        seconds: what each score took, NaN where unknown, shape (n,).
    """
    quality = ranking_quality(score, accuracy, top=TOP)
    timed = seconds[np.isfinite(seconds)]
    return RankedMetric(
        name,
        kind,
        spearman_interval(score, accuracy),
        kendall_interval(score, accuracy),
        spearman_interval(score, accuracy, top=TOP),
        kendall_interval(score, accuracy, top=TOP),
        {k: Interval(_or_nan(value), np.nan, np.nan) for k, value in quality.ndcg.items()},
        {k: _or_nan(value) for k, value in quality.precision.items()},
        quality.regret,
        float(timed.mean()) if len(timed) else np.nan,
        len(score),
    )


def read_rank(name: str, sweep: FinishedSweep, job: FinishedJob) -> RankedMetric:
    """Return how well the metric of a job of task=correlate ranks, as its summary says."""

    def number(key: str) -> float:
        return _or_nan(job.summary.get(key))

    def interval(key: str) -> Interval:
        return Interval(number(key), number(f"{key}_low"), number(f"{key}_high"))

    accuracy = sweep.accuracy
    return RankedMetric(
        name,
        job.config.metric.input,
        interval(f"rho_{accuracy}"),
        interval(f"tau_{accuracy}"),
        interval(f"rho_top_{accuracy}"),
        interval(f"tau_top_{accuracy}"),
        {K: interval(f"ndcg_{K}_{accuracy}")},
        {K: number(f"precision_{K}_{accuracy}")},
        number(f"regret_{accuracy}"),
        number("seconds_per_network"),
        int(number("architectures")),
    )


def _or_nan(value: str | float | None) -> float:
    return np.nan if value is None else float(value)
