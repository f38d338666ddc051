"""A sweep of task=correlate: how well each metric ranks, what it costs, and which metrics agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_exp.analysis.agreement import agreement
from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.arrays import FloatArray
from nas_exp.errors import InputError
from nas_exp.report.ceilings import cached_ceiling
from nas_exp.report.ranked import RankedMetric, read_rank
from nas_exp.report.sweep import FinishedJob, FinishedSweep


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
        return metric.architectures == max(each.architectures for each in self.metrics)


def rank_metrics(sweep: FinishedSweep, *, store: Path) -> tuple[dict[str, RankedMetrics], list[str]]:
    """Return all metrics of a sweep by dataset, and sentences about what could not be read.

    Args:
        sweep: of task=correlate.
        store: the folder of cached noise ceilings.

    Raises:
        InputError: the accuracies of a dataset cannot be read any more.
    """
    found, told = dict[str, RankedMetrics](), list[str]()
    for dataset in sweep.datasets:
        jobs = [job for job in sweep.jobs if job.dataset == dataset]
        accuracy = sweep.trained(jobs[0])
        trained = np.flatnonzero(np.isfinite(accuracy))
        known = {f"{sweep.accuracy_name} accuracy": (trained, accuracy[trained])}
        metrics = [read_rank(_name(sweep, job), sweep, job) for job in jobs]
        for job, metric in zip(jobs, metrics, strict=True):
            about = f"{metric.name} on {sweep.label(dataset)}"
            if metric.architectures < len(trained):
                told.append(f"{about}: only {metric.architectures:,} architectures had a score when the sweep was run")
            try:
                scores = sweep.scores(job)
            except InputError as error:
                told.append(f"{about}: agreement with other metrics is not known: {error}")
                continue
            known[metric.name] = scores.arch_index, scores.score
            if (now := np.count_nonzero(np.isfinite(accuracy[scores.arch_index]))) != metric.architectures:
                told.append(f"{about}: {now:,} architectures have a score by now; run the sweep again with rerun=all")
        tops = sorted({float(job.config.task.arguments["top"]) for job in jobs})
        twins = sweep.space.twins()
        found[dataset] = RankedMetrics(
            sorted(metrics, key=lambda metric: -np.nan_to_num(metric.rho.value, nan=-2.0)),
            None if twins is None else cached_ceiling(store, accuracy, twins, top=tops[0]),
            f"top {' or '.join(f'{100 * top:g}' for top in tops)} %",
            list(known),
            agreement(list(known.values())),
        )
    return found, told


def _name(sweep: FinishedSweep, job: FinishedJob) -> str:
    """Return the name of a job's metric, with those of its overrides in which jobs of that metric differ."""
    others = [other.overrides for other in sweep.jobs if other.metric == job.metric]
    differing = [
        f"{key.rpartition('.')[2]}={value}"
        for key, value in job.overrides.items()
        if key not in ("dataset", "metric") and any(other.get(key) != value for other in others)
    ]
    return f"{sweep.label(job.metric)} ({', '.join(differing)})" if differing else sweep.label(job.metric)
