"""What of a sweep its report looks at, in the paper's order, under the names that people use."""

import math
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.report.finished import FinishedJob, FinishedSweep, JobResult, Sweep
from nas_exp.report.paper import numbers as paper

Job = TypeVar("Job", bound=JobResult)

Search = tuple[str, str]
"""A metric and an algorithm."""


def known_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """Return the different names, those of `order` first and in that order."""
    different, places = list(dict.fromkeys(names)), list(order)
    return sorted(different, key=lambda name: places.index(name) if name in places else len(places))


def label(name: str) -> str:
    """Return what people call a dataset, a metric or an algorithm."""
    return {**paper.DATASETS, **paper.METRICS, **paper.ALGOS}.get(name, name)


def search_label(search: Search) -> str:
    """Return what people call a metric with an algorithm, in short."""
    metric, algo = search
    return f"{label(metric)} + {algo.upper()}"


def datasets_of(sweep: FinishedSweep[Job]) -> list[str]:
    """Return the datasets of a sweep, in the paper's order."""
    return known_order((job.dataset for job in sweep.jobs), paper.DATASETS)


def metrics_of(sweep: Sweep) -> list[str]:
    """Return the metrics of a sweep, in the paper's order."""
    return known_order((job.metric for job in sweep.jobs), paper.METRICS)


def has_papers_parameters(job: FinishedJob) -> bool:
    """Return whether the algorithm ran with the hyper-parameters that the paper's Tables III to V are about."""
    return math.isinf(job.budget) and dict(job.hyper_parameters) == paper.PAPERS_HYPER_PARAMETERS.get(job.algo)


def main_jobs(sweep: Sweep) -> dict[tuple[str, Search], FinishedJob]:
    """Return a job for each dataset and search, in the paper's order.

    Of several, it is the one with the largest budget in seconds, and of those as `jobs_by_budget` says.
    """
    return {key: jobs[-1] for key, jobs in jobs_by_budget(sweep).items()}


def jobs_by_budget(sweep: Sweep) -> dict[tuple[str, Search], list[FinishedJob]]:
    """Return a job for each budget in seconds of each dataset and search, in the paper's order, the least first.

    Of several, it is the one with the paper's hyper-parameters, else the first.
    """
    by_budget: dict[tuple[str, Search], dict[float, FinishedJob]] = {}
    for job in sweep.jobs:
        jobs = by_budget.setdefault((job.dataset, (job.metric, job.algo)), {})
        if job.budget not in jobs or has_papers_parameters(job):
            jobs[job.budget] = job
    chosen = {key: [jobs[budget] for budget in sorted(jobs)] for key, jobs in by_budget.items()}
    algos = known_order((job.algo for job in sweep.jobs), paper.ALGOS)
    return {
        key: chosen[key]
        for dataset in datasets_of(sweep)
        for metric in metrics_of(sweep)
        for algo in algos
        if (key := (dataset, (metric, algo))) in chosen
    }


def found_accuracy(sweep: Sweep, job: FinishedJob) -> FloatArray | None:
    """Return the accuracies of what a job's runs found, shape (runs,), percent; None if one is unknown."""
    values = np.asarray(job.runs[sweep.accuracy])
    return values if np.isfinite(values).all() else None
