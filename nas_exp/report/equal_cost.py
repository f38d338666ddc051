"""What searches have found within so many seconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.analysis.comparisons import Comparison, compare_pairs
from nas_exp.analysis.curves import accuracy_at, steps_by
from nas_exp.analysis.intervals import Band, mean_band
from nas_exp.arrays import FloatArray
from nas_exp.report.sweep import FinishedJob, FinishedSweep, Search

POINTS = 256
"""Costs at which a curve is computed, equally far apart on a logarithmic axis."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The accuracy of a search's incumbent by the seconds spent, from where every run has found something."""

    seconds: FloatArray
    """Shape (points,), ascending."""
    accuracy: Band
    """The mean over runs, percent."""


@dataclass(frozen=True, eq=False)
class Budget:
    """What searches have found after so many seconds."""

    seconds: float
    found: Mapping[Search, FloatArray]
    """Accuracies, shape (runs,), percent; without searches that had fewer seconds or have an unknown accuracy."""
    scored: Mapping[Search, float]
    """Architectures scored by then, mean over runs, of the same searches."""
    comparisons: Sequence[Comparison]
    """All pairs of them, by their labels."""


@dataclass(frozen=True, eq=False)
class EqualCost:
    """Searches on one dataset by what they cost."""

    curves: Mapping[Search, Curve]
    """In the sweep's order."""
    budgets: Sequence[Budget]
    """Those that the sweep's jobs had, the least first; empty where none had any."""
    optimum: float | None
    """The best accuracy in the space, percent, if it is known."""
    timeless: Sequence[Search]
    """Searches whose cost is unknown."""


def at_equal_cost(sweep: FinishedSweep, optima: Mapping[str, float]) -> dict[str, EqualCost]:
    """Return, by dataset, what searches have found by the seconds spent.

    A search within a budget is the beginning of the same search within a larger one. So its result after so many
    seconds is read from the job with the smallest budget that is not below them; jobs without a budget come last.
    A search that has ended keeps its result.

    Args:
        sweep: the sweep.
        optima: by dataset, as far as known, the best accuracy in the space, percent.
    """
    return {dataset: _on_dataset(sweep, dataset, optima.get(dataset)) for dataset in sweep.datasets}


def _on_dataset(sweep: FinishedSweep, dataset: str, optimum: float | None) -> EqualCost:
    searches = {search: jobs for (of, search), jobs in sweep.jobs_by_budget.items() if of == dataset}
    timeless = [search for search, jobs in searches.items() if any(_begins(sweep, job).min() <= 0 for job in jobs)]
    timed = {search: jobs for search, jobs in searches.items() if search not in timeless}
    latest = max((_end(job) for jobs in timed.values() for job in jobs), default=0.0)
    curves = {search: _curve(sweep, jobs, latest) for search, jobs in timed.items()}
    budgets = sorted({job.budget for jobs in timed.values() for job in jobs if math.isfinite(job.budget)})
    return EqualCost(
        {search: curve for search, curve in curves.items() if curve is not None},
        [_budget(sweep, timed, seconds) for seconds in budgets],
        optimum,
        timeless,
    )


def _costs(job: FinishedJob) -> FloatArray:
    """Return the seconds that the scores of each run took: shape (runs,)."""
    return job.trajectory["seconds"][:, -1]


def _begins(sweep: FinishedSweep, job: FinishedJob) -> FloatArray:
    """Return the seconds until each run had an incumbent, or all of its seconds if it never had: shape (runs,)."""
    is_known = np.isfinite(job.trajectory[sweep.accuracy])
    first = np.take_along_axis(job.trajectory["seconds"], is_known.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(is_known.any(axis=1), first, _costs(job))


def _end(job: FinishedJob) -> float:
    """Return up to how many seconds a job says what its search has found."""
    return job.budget if math.isfinite(job.budget) else float(_costs(job).max())


def _curve(sweep: FinishedSweep, jobs: Sequence[FinishedJob], latest: float) -> Curve | None:
    """Return the curve of a search's jobs, the least budget first; None if not all runs find something."""
    if not np.isfinite(jobs[-1].trajectory[sweep.accuracy]).any(axis=1).all():
        return None
    first = float(_begins(sweep, jobs[-1]).max())
    last = min(jobs[-1].budget, latest)
    points = np.geomspace(first, last, POINTS)
    points[[0, -1]] = first, last  # not what rounding makes of them
    runs = min(len(job.runs["scored"]) for job in jobs)
    found = np.full((runs, POINTS), np.nan)
    for job in reversed(jobs):
        within = points <= job.budget
        spent, accuracy = (job.trajectory[column][:runs] for column in ("seconds", sweep.accuracy))
        found[:, within] = accuracy_at(spent, accuracy, points[within])
    known = np.isfinite(found).all(axis=0)
    return Curve(points[known], mean_band(found[:, known])) if known.any() else None


def _budget(sweep: FinishedSweep, searches: Mapping[Search, Sequence[FinishedJob]], seconds: float) -> Budget:
    found, scored = dict[Search, FloatArray](), dict[Search, float]()
    for search, jobs in searches.items():
        job = next((job for job in jobs if job.budget >= seconds), None)
        if job is None:
            continue
        spent, cost = job.trajectory["seconds"], np.array([seconds])
        accuracy = accuracy_at(spent, job.trajectory[sweep.accuracy], cost)[:, 0]
        if np.isfinite(accuracy).all():
            found[search] = accuracy
            # the steps of runs that have ended are their last again and again
            scored[search] = float(np.minimum(steps_by(spent, cost)[:, 0], job.runs["scored"]).mean())
    return Budget(
        seconds, found, scored, compare_pairs({sweep.search_label(search): of for search, of in found.items()})
    )
