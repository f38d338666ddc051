"""What a report says about a sweep of task=correlate: how well each metric ranks, what it costs, who agrees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.analysis.agreement import agreement
from nas_exp.analysis.ceiling import NoiseCeiling, noise_ceiling
from nas_exp.analysis.intervals import Interval
from nas_exp.arrays import FloatArray
from nas_exp.errors import InputError
from nas_exp.report.finished import RankingJob, RankingSweep
from nas_exp.report.view import datasets_of, label


@dataclass(frozen=True)
class Proxy:
    """How one metric ranks the space of one dataset by trained accuracy, and what that takes. NaN where unknown."""

    name: str
    """Of the metric, and what of its parameters the sweep varied."""
    input: str
    """What its scores come from, as `Metric.input` says."""
    rho: Interval
    """Spearman."""
    tau: Interval
    """Kendall, tau-b."""
    rho_top: Interval
    """Spearman among the best-scored share."""
    ndcg: Interval
    """Normalised discounted cumulative gain of the 100 best-scored."""
    precision: float
    """The share of the 100 best-scored that are among the 100 most accurate."""
    regret: float
    """Accuracy of the most accurate less that of the best-scored, percentage points."""
    seconds: float
    """What a score takes, on average."""
    architectures: int
    """How many have a score and an accuracy."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """All metrics on one dataset."""

    proxies: Sequence[Proxy]
    """Those that rank best first."""
    ceiling: NoiseCeiling | None
    top: str
    """The best-scored share, in words."""
    names: Sequence[str]
    """What agrees or not: accuracy first, then metrics whose scores can be read."""
    agreement: FloatArray
    """Spearman's rho between each two of them, over what is known of both: shape (names, names)."""

    def is_of_all(self, proxy: Proxy) -> bool:
        """Whether a metric has scores of as many architectures as any; others, of fewer, rank others."""
        return proxy.architectures == max(each.architectures for each in self.proxies)


def compare(sweep: RankingSweep) -> tuple[dict[str, Comparison], list[str]]:
    """Compare all metrics of a sweep on every dataset; return that by dataset, and what could not be read.

    Raises:
        InputError: the accuracies of a dataset cannot be read any more.
    """
    found, told = dict[str, Comparison](), list[str]()
    names = dict(zip(map(id, sweep.jobs), names_of(sweep.jobs), strict=True))
    for dataset in datasets_of(sweep):
        jobs = [job for job in sweep.jobs if job.dataset == dataset]
        trained = sweep.trained(jobs[0])
        known = {f"{sweep.accuracy_name} accuracy": trained}
        for job in jobs:
            about = f"{names[id(job)]} on {label(dataset)}"
            count = _number(job, "architectures")
            if count < len(trained.arch_index):
                told.append(f"{about}: only {count:,.0f} architectures had a score when the sweep was run")
            try:
                scores = sweep.scores(job)
            except InputError as error:
                told.append(f"{about}: agreement with other metrics is not known: {error}")
                continue
            known[names[id(job)]] = scores
            if (now := len(scores.of(trained.arch_index).arch_index)) != count:
                told.append(f"{about}: {now:,} architectures have a score by now; run the sweep again with rerun=all")
        classes = jobs[0].config.space.twins(trained.arch_index)
        tops = sorted({float(job.config.task.arguments["top"]) for job in jobs})
        proxies = [_proxy(names[id(job)], job, sweep.accuracy) for job in jobs]
        found[dataset] = Comparison(
            sorted(proxies, key=lambda proxy: -np.nan_to_num(proxy.rho.value, nan=-2.0)),
            None if classes is None else noise_ceiling(trained.score, classes, top=tops[0]),
            f"top {' or '.join(f'{100 * top:g}' for top in tops)} %",
            list(known),
            agreement(list(known.values())),
        )
    return found, told


def names_of(jobs: Sequence[RankingJob]) -> list[str]:
    """Return the name of the metric of each job, with those of its overrides in which jobs of that metric differ."""
    names = []
    for job in jobs:
        others = [other.overrides for other in jobs if other.metric == job.metric]
        differing = [
            f"{key.rpartition('.')[2]}={value}"
            for key, value in job.overrides.items()
            if key not in ("dataset", "metric") and any(other.get(key) != value for other in others)
        ]
        names.append(f"{label(job.metric)} ({', '.join(differing)})" if differing else label(job.metric))
    return names


def _proxy(name: str, job: RankingJob, accuracy: str) -> Proxy:
    return Proxy(
        name,
        job.config.metric.input,
        _interval(job, f"rho_{accuracy}"),
        _interval(job, f"tau_{accuracy}"),
        _interval(job, f"rho_top_{accuracy}"),
        _interval(job, f"ndcg_100_{accuracy}"),
        _number(job, f"precision_100_{accuracy}"),
        _number(job, f"regret_{accuracy}"),
        _number(job, "seconds_per_network"),
        int(_number(job, "architectures")),
    )


def _number(job: RankingJob, key: str) -> float:
    value = job.summary.get(key)
    return np.nan if value is None else float(value)


def _interval(job: RankingJob, key: str) -> Interval:
    return Interval(_number(job, key), _number(job, f"{key}_low"), _number(job, f"{key}_high"))
