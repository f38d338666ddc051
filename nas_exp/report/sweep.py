"""A finished sweep: its jobs and what they found, in the order and under the names that a report shows."""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nas_exp.analysis.curves import padded_steps
from nas_exp.arrays import FloatArray
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.report.reference import Reference
from nas_exp.scoring.source import source_of
from nas_exp.scoring.table import Scores
from nas_exp.search.results import mean_and_std
from nas_exp.spaces.space import Space
from nas_exp.storage.parquet import read_columns
from nas_exp.storage.summary import Summary

Search = tuple[str, str]
"""A metric and an algorithm."""


@dataclass(frozen=True, eq=False)
class FinishedJob:
    """A job that left a whole result: a search, or a ranking (task=correlate)."""

    folder: Path
    config: Config
    summary: Summary
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What it was given on the command line or by the sweep, by key."""
    runs: Mapping[str, FloatArray] = field(default_factory=dict)
    """Of a search, by the columns of ``runs.csv`` that are numbers: shape (runs,), NaN where unknown."""
    parts: "Sequence[FinishedJob]" = ()
    """The jobs whose runs it has, which differ by their seed alone; empty if it is one."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.config.dataset.name

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.config.metric.name

    @property
    def algo(self) -> str:
        """Name of the algorithm."""
        return self.config.algo.name

    @property
    def knows_test_accuracy(self) -> bool:
        """Whether its results are about test accuracy."""
        if self.runs:
            # a search that has found nothing says nothing of the benchmark
            return bool(np.isfinite(self.runs["test_acc"]).any()) or not np.isfinite(self.runs["arch_index"]).any()
        # a regret is there even where all scores are equal and nothing correlates
        return self.summary.get("regret_test_acc") is not None

    @property
    def hyper_parameters(self) -> tuple[tuple[str, object], ...]:
        """The hyper-parameters of the algorithm, by name, without its budget in seconds."""
        return tuple(replace(self.config.algo, seconds=None).hyper_parameters.items())

    @property
    def budget(self) -> float:
        """How many seconds all scores of one search may take together; infinite without such a budget."""
        return math.inf if self.config.algo.seconds is None else self.config.algo.seconds

    @functools.cached_property
    def trajectory(self) -> Mapping[str, FloatArray]:
        """By the columns of ``trajectory.parquet``: shape (runs, steps); runs that ended early repeat their last step.

        Raises:
            InputError: the file is missing or broken.
        """
        if not self.parts:
            return read_trajectory(self.folder, self.runs["scored"])
        parts = [part.trajectory for part in self.parts]
        longest = max(len(part["run"][0]) for part in parts)
        return {
            name: np.concatenate(
                [np.pad(part[name], ((0, 0), (0, longest - len(part[name][0]))), mode="edge") for part in parts]
            )
            for name in parts[0]
        }


def read_trajectory(folder: Path, scored: FloatArray) -> dict[str, FloatArray]:
    """Return what `FinishedJob.trajectory` has of one job, whose runs have scored so many architectures.

    Raises:
        InputError: the file is missing or broken.
    """
    path = folder / "trajectory.parquet"
    try:
        columns = read_columns(path, ("run", "score", "best_arch_index", "val_acc", "test_acc", "seconds"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run the sweep again") from None
    steps = scored.astype(np.int64)
    if steps.sum() != len(columns["run"]) or (columns["run"] != np.repeat(np.arange(len(steps)), steps)).any():
        raise InputError(f"{path}: does not have as many steps of each run as runs.csv says; run the sweep again")
    if not are_within_reason(columns):
        raise InputError(f"{path}: expected finite accuracies and seconds; run the sweep again")
    step = padded_steps(steps.tolist()) + (np.cumsum(steps) - steps)[:, None]
    return {name: np.asarray(values, dtype=np.float64)[step] for name, values in columns.items()}


def are_within_reason(columns: Mapping[str, FloatArray]) -> bool:
    """Return whether accuracies, which may be NaN, and seconds are numbers to compute with."""
    accuracies = np.abs([columns["val_acc"], columns["test_acc"]])
    return bool((np.abs(columns["seconds"]) < 1e15).all()) and not (accuracies >= 1e15).any()


def pooled(jobs: Sequence[FinishedJob]) -> tuple[list[FinishedJob], list[str]]:
    """Return jobs of searches, those that differ by their seed alone as one, and sentences about what was left out.

    Runs of different searches are compared in pairs that share their seeds, so a seed that not all searches have is
    left out.
    """
    alike = dict[str, dict[int, FinishedJob]]()
    for job in jobs:
        others = {key: value for key, value in job.overrides.items() if key != "seed"}
        same = alike.setdefault(repr((job.dataset, job.metric, job.algo, job.hyper_parameters, job.budget, others)), {})
        same.setdefault(job.config.seed, job)
    if all(len(same) == 1 for same in alike.values()):
        return [*jobs], []
    seeds = sorted(set.intersection(*(set(same) for same in alike.values())))
    if not seeds:
        return [*jobs], ["Of jobs that differ by seed alone only the first is shown: no seed is that of all searches."]
    apart = [job.folder.name for same in alike.values() for seed, job in same.items() if seed not in seeds]
    why = f"Left out, as not all searches have a result of their seeds, {len(apart)} jobs: {'; '.join(apart)}"
    return [_together([same[seed] for seed in seeds]) for same in alike.values()], [why] if apart else []


def _together(jobs: Sequence[FinishedJob]) -> FinishedJob:
    """Return one job with the runs of all."""
    runs = {column: np.concatenate([job.runs[column] for job in jobs]) for column in jobs[0].runs}
    best = max(jobs, key=lambda job: np.nan_to_num(job.runs["score"], nan=-np.inf).max())
    summary = {
        **jobs[0].summary,
        "runs": len(runs["scored"]),
        **mean_and_std("val_acc", runs["val_acc"].tolist()),
        **mean_and_std("test_acc", runs["test_acc"].tolist()),
        "seconds_mean": float(runs["seconds"].mean()),
        "best_arch_str": best.summary.get("best_arch_str"),
    }
    config = replace(jobs[0].config, runs=len(runs["scored"]))
    return replace(jobs[0], config=config, summary=summary, runs=runs, parts=jobs)


@dataclass(frozen=True, eq=False)
class FinishedSweep:
    """All jobs of a sweep, each of the same task."""

    folder: Path
    task: str
    """`search` or `correlate`."""
    jobs: list[FinishedJob]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Jobs without a whole result, by folder: why."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Jobs that the sweep left out, by folder: why."""
    command: str | None = None
    """The command that made it, if it is known."""
    reference: Reference = field(default_factory=Reference)
    """What its results are put beside."""
    apart: Sequence[str] = ()
    """Sentences about finished jobs that are left out."""

    @property
    def all_jobs(self) -> "list[FinishedJob]":
        """The jobs, each of those on its own whose runs count together."""
        return [part for job in self.jobs for part in job.parts or [job]]

    @property
    def space(self) -> Space:
        """The search space of the first job."""
        return self.jobs[0].config.space

    @property
    def after_training(self) -> str:
        """After how much training the accuracies are that the report is about."""
        schedules = self.space.schedules
        return "after training" if schedules is None else f"after {schedules.full} epochs"

    @functools.cached_property
    def accuracy(self) -> str:
        """The column that the report is about: `test_acc`, or `val_acc` unless every job knows test accuracies."""
        return "test_acc" if all(job.knows_test_accuracy for job in self.jobs) else "val_acc"

    @property
    def accuracy_name(self) -> str:
        """The same in words."""
        return {"test_acc": "test", "val_acc": "validation"}[self.accuracy]

    def trained(self, job: FinishedJob) -> Scores:
        """Return the accuracies of the fully trained architectures on a job's dataset as scores, percent.

        Raises:
            InputError: the benchmark cannot be read.
        """
        benchmark = job.config.benchmark.load(job.dataset)
        accuracy = benchmark.columns[self.accuracy]
        known = np.isfinite(accuracy)
        return Scores(benchmark.arch_index[known], accuracy[known], np.full(known.sum(), np.nan))

    def scores(self, job: FinishedJob) -> Scores:
        """Return the known scores of a job's metric.

        Raises:
            InputError: they cannot be read, for example because the images are gone.
        """
        return source_of(job.config).known()

    @property
    def datasets(self) -> list[str]:
        """The datasets, in the order of the reference."""
        return in_order((job.dataset for job in self.jobs), self.reference.datasets)

    @property
    def metrics(self) -> list[str]:
        """The metrics, likewise."""
        return in_order((job.metric for job in self.jobs), self.reference.metrics)

    @property
    def algos(self) -> list[str]:
        """The algorithms, likewise."""
        return in_order((job.algo for job in self.jobs), self.reference.algos)

    def label(self, name: str) -> str:
        """Return what people call a dataset, a metric or an algorithm."""
        return self.reference.label(name)

    def search_label(self, search: Search) -> str:
        """Return what people call a metric with an algorithm, in short."""
        metric, algo = search
        return f"{self.label(metric)} + {algo.upper()}"

    def is_as_published(self, job: FinishedJob) -> bool:
        """Return whether the algorithm ran with the hyper-parameters of the reference."""
        return math.isinf(job.budget) and dict(job.hyper_parameters) == self.reference.hyper_parameters.get(job.algo)

    @functools.cached_property
    def main_jobs(self) -> Mapping[tuple[str, Search], FinishedJob]:
        """One job for each dataset and search: of `jobs_by_budget`, the one with the largest budget."""
        return {key: jobs[-1] for key, jobs in self.jobs_by_budget.items()}

    @functools.cached_property
    def jobs_by_budget(self) -> Mapping[tuple[str, Search], list[FinishedJob]]:
        """For each dataset and search one job for each of its budgets in seconds, smallest budget first.

        Of several such jobs it is the one with the published hyper-parameters, else the first.
        """
        by_budget: dict[tuple[str, Search], dict[float, FinishedJob]] = {}
        for job in self.jobs:
            jobs = by_budget.setdefault((job.dataset, (job.metric, job.algo)), {})
            if job.budget not in jobs or self.is_as_published(job):
                jobs[job.budget] = job
        return {
            key: [by_budget[key][budget] for budget in sorted(by_budget[key])]
            for dataset in self.datasets
            for metric in self.metrics
            for algo in self.algos
            if (key := (dataset, (metric, algo))) in by_budget
        }

    def found_accuracy(self, job: FinishedJob) -> FloatArray | None:
        """Return the accuracies of what a job's runs found, shape (runs,), percent; None if one is unknown."""
        values = np.asarray(job.runs[self.accuracy])
        return values if np.isfinite(values).all() else None


def in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """Return the different names, those of `order` first and in that order."""
    different, places = list(dict.fromkeys(names)), list(order)
    return sorted(different, key=lambda name: places.index(name) if name in places else len(places))
