"""What searches have found by the time that they have cost so many seconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas_exp.analysis.comparisons import Comparison, compare_pairs
from nas_exp.analysis.intervals import Band, mean_band
from nas_exp.arrays import FloatArray
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.view import Search, datasets_of, jobs_by_budget, search_label

POINTS = 256
"""Costs at which a curve is computed, equally far apart on a logarithmic axis."""


@dataclass(frozen=True, eq=False)
class Curve:
    """How good what a search has found is, by what it has cost, from where every run has found something."""

    seconds: FloatArray
    """Shape (points,), ascending."""
    accuracy: Band
    """The mean over runs, percent."""


@dataclass(frozen=True, eq=False)
class Budget:
    """What searches find within so many seconds."""

    seconds: float
    found: Mapping[Search, FloatArray]
    """Accuracies, shape (runs,), percent; without searches that had less, or of which one is unknown."""
    scored: Mapping[Search, float]
    """Architectures scored by then, mean over runs, of the same searches."""
    comparisons: Sequence[Comparison]
    """All pairs of them, by `search_label`."""


@dataclass(frozen=True, eq=False)
class EqualCost:
    """Searches on one dataset by what they cost."""

    curves: Mapping[Search, Curve]
    """In the paper's order."""
    budgets: Sequence[Budget]
    """Those that the sweep's jobs had, the least first; empty where none had any."""
    optimum: float | None
    """The best accuracy in the space, percent, if it is known."""
    timeless: Sequence[Search]
    """Searches of which nothing says what they have cost."""


def at_equal_cost(sweep: Sweep, optima: Mapping[str, float]) -> dict[str, EqualCost]:
    """Return, by dataset, what searches have found by what they had cost.

    A search within a budget is the beginning of the same search within a larger one. So what a search has found within
    so many seconds is what the job has found by then whose budget is the smallest that is not below them; jobs without
    a budget come last. A search that has ended keeps what it has found.

    Args:
        sweep: the sweep.
        optima: by dataset, as far as known, the best accuracy in the space, percent.
    """
    return {dataset: _on_dataset(sweep, dataset, optima.get(dataset)) for dataset in datasets_of(sweep)}


def _on_dataset(sweep: Sweep, dataset: str, optimum: float | None) -> EqualCost:
    searches = {search: jobs for (of, search), jobs in jobs_by_budget(sweep).items() if of == dataset}
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
    """Return what the scores of each run took: shape (runs,)."""
    return job.trajectory["seconds"][:, -1]


def _begins(sweep: Sweep, job: FinishedJob) -> FloatArray:
    """Return what each run had cost when it first had found something, or in the end if it never has: shape (runs,)."""
    is_known = np.isfinite(job.trajectory[sweep.accuracy])
    first = np.take_along_axis(job.trajectory["seconds"], is_known.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(is_known.any(axis=1), first, _costs(job))


def _end(job: FinishedJob) -> float:
    """Return up to which cost a job tells what its search has found, if it has not ended before."""
    return job.budget if math.isfinite(job.budget) else float(_costs(job).max())


def _curve(sweep: Sweep, jobs: Sequence[FinishedJob], latest: float) -> Curve | None:
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


def accuracy_at(seconds: FloatArray, accuracy: FloatArray, costs: FloatArray) -> FloatArray:
    """Return how good what runs have found is by the time that they have cost so much: shape (runs, costs).

    Args:
        seconds: what each run's scores up to a step took: shape (runs, steps), ascending.
        accuracy: of the incumbent at that step: shape (runs, steps).
        costs: seconds, shape (costs,). What is there at that very second counts.

    Returns:
        NaN where a run has not scored anything yet.
    """
    steps = steps_by(seconds, costs)
    last = np.take_along_axis(accuracy, np.maximum(steps - 1, 0), axis=1)
    return np.where(steps > 0, last, np.nan)


def steps_by(seconds: FloatArray, costs: FloatArray) -> npt.NDArray[np.int64]:
    """Return how many steps of each run are done within so many seconds; shapes as in `accuracy_at`."""
    return np.array([np.searchsorted(run, costs, side="right") for run in seconds], dtype=np.int64)


def _budget(sweep: Sweep, searches: Mapping[Search, Sequence[FinishedJob]], seconds: float) -> Budget:
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
    return Budget(seconds, found, scored, compare_pairs({search_label(search): of for search, of in found.items()}))
