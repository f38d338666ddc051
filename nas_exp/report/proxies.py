"""A sweep of task=correlate: how well each metric ranks, what it costs, and which metrics agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_exp.analysis.agreement import agreement
from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.analysis.intervals import Interval
from nas_exp.analysis.ranking import K, RankingQuality
from nas_exp.arrays import FloatArray
from nas_exp.errors import InputError
from nas_exp.report.ceilings import cached_ceiling
from nas_exp.report.evidence import why_unranked
from nas_exp.report.sweep import FinishedJob, FinishedSweep


@dataclass(frozen=True)
class RankedMetric:
    """How well one metric ranks the space of one dataset, and what that costs."""

    name: str
    """Of the metric, and what of its parameters the sweep varied."""
    input: str
    """Where its scores come from, as in `Metric.input`."""
    seconds: float
    """The mean of what a score takes; NaN where unknown."""
    quality: RankingQuality


@dataclass(frozen=True, eq=False)
class RankedMetrics:
    """All metrics on one dataset."""

    metrics: Sequence[RankedMetric]
    """The best ranking first."""
    ceiling: NoiseCeiling | None
    """None if the space has no twins."""
    top: str
    """The best-scored share, in words."""
    names: Sequence[str]
    """Of the rows of `agreement`: accuracy first, then the metrics whose scores can be read."""
    agreement: FloatArray
    """Spearman's rho between each two of them, over the architectures that both have: shape (names, names)."""

    def is_of_all(self, metric: RankedMetric) -> bool:
        """Return whether a metric has scores of as many architectures as any; those of fewer rank other ones."""
        return metric.quality.architectures == max(each.quality.architectures for each in self.metrics)


def rank_metrics(sweep: FinishedSweep, *, store: Path) -> tuple[dict[str, RankedMetrics], list[str]]:
    """Return all metrics of a sweep by dataset, and sentences about what could not be read.

    Args:
        sweep: of task=correlate.
        store: the folder of cached noise ceilings.

    Raises:
        InputError: the accuracies of a dataset cannot be read any more.
    """
    found, notes = dict[str, RankedMetrics](), list[str]()
    for dataset in sweep.datasets:
        jobs = [job for job in sweep.jobs if job.dataset == dataset]
        trained = sweep.trained(jobs[0])
        known = {f"{sweep.accuracy_name} accuracy": (trained.arch_index, trained.score)}
        metrics = [_read(sweep, job) for job in jobs]
        for job, metric in zip(jobs, metrics, strict=True):
            about = f"{metric.name} on {sweep.label(dataset)}"
            if metric.quality.architectures < len(trained.arch_index):
                notes.append(
                    f"{about}: only {metric.quality.architectures:,} architectures had a score when the sweep was run"
                )
            try:
                scores = sweep.scores(job)
            except InputError as error:
                notes.append(f"{about}: agreement with other metrics is not known: {error}")
                continue
            known[metric.name] = scores.arch_index, scores.score
            if np.isnan(metric.quality.rho.value):
                both = scores.of(trained.arch_index)
                notes.append(f"{about}: {why_unranked(both.score, trained.of(both.arch_index).score)}")
            if (now := np.count_nonzero(trained.have(scores.arch_index))) != metric.quality.architectures:
                notes.append(f"{about}: {now:,} architectures have a score by now; run the sweep again with rerun=all")
        tops = sorted({float(job.config.task.arguments["top"]) for job in jobs})
        twins = sweep.space.twins(trained.arch_index)
        found[dataset] = RankedMetrics(
            sorted(metrics, key=lambda metric: -np.nan_to_num(metric.quality.rho.value, nan=-2.0)),
            None if twins is None else cached_ceiling(store, trained.score, twins, top=tops[0]),
            f"top {' or '.join(f'{100 * top:g}' for top in tops)} %",
            list(known),
            agreement(list(known.values())),
        )
    return found, notes


def _read(sweep: FinishedSweep, job: FinishedJob) -> RankedMetric:
    """Return what the summary of a job says of its metric."""

    def number(key: str) -> float:
        value = job.summary.get(key)
        return np.nan if value is None else float(value)

    def interval(name: str) -> Interval:
        return Interval(*(number(f"{name}_{sweep.accuracy}{bound}") for bound in ("", "_low", "_high")))

    quality = RankingQuality(
        interval("rho"),
        interval("tau"),
        interval("rho_top"),
        interval("tau_top"),
        {K: interval(f"precision_{K}")},
        {K: interval(f"ndcg_{K}")},
        interval("regret"),
        int(number("architectures")),
    )
    return RankedMetric(_name(sweep, job), job.config.metric.input, number("seconds_per_network"), quality)


def _name(sweep: FinishedSweep, job: FinishedJob) -> str:
    """Return the name of a job's metric, with those of its overrides in which jobs of that metric differ."""
    others = [other.overrides for other in sweep.jobs if other.metric == job.metric]
    differing = [
        f"{key.rpartition('.')[2]}={value}"
        for key, value in job.overrides.items()
        if key not in ("dataset", "metric") and any(other.get(key) != value for other in others)
    ]
    return f"{sweep.label(job.metric)} ({', '.join(differing)})" if differing else sweep.label(job.metric)
