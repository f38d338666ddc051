"""A finished sweep as a report sees it: its jobs, what they found, and which are missing."""

import abc
import csv
import dataclasses
import functools
import logging
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas_exp.arrays import FloatArray
from nas_exp.config.check import check
from nas_exp.config.types import Config
from nas_exp.errors import InputError, in_one_line
from nas_exp.report.trajectory import held
from nas_exp.scoring.source import source_of
from nas_exp.scoring.table import Scores
from nas_exp.storage.parquet import read_columns
from nas_exp.storage.summary import SUMMARY, Summary, read_error, read_summary, read_whole_summary
from nas_exp.sweeps.jobs import listed_jobs

log = logging.getLogger(__name__)

_RUN_COLUMNS = ("arch_index", "score", "val_acc", "test_acc", "seconds", "scored")


@dataclass(frozen=True, eq=False)
class JobResult(abc.ABC):
    """A job that left a whole result, whatever its task."""

    folder: Path
    config: Config
    summary: Summary

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.config.dataset.name

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.config.metric.name

    @property
    @abc.abstractmethod
    def knows_test_accuracy(self) -> bool:
        """Whether there was test accuracy to tell about."""


@dataclass(frozen=True, eq=False)
class RankingJob(JobResult):
    """A job of task=correlate that left a whole result."""

    overrides: Mapping[str, str]
    """What it was given on the command line or by the sweep, by key."""

    @property
    def knows_test_accuracy(self) -> bool:
        """Whether its statistics are about test accuracy."""
        # there is a regret even where all scores are equal and nothing correlates
        return self.summary.get("regret_test_acc") is not None


@dataclass(frozen=True, eq=False)
class FinishedJob(JobResult):
    """A search job that left a whole result."""

    runs: Mapping[str, FloatArray]
    """By the columns of ``runs.csv`` that are numbers: shape (runs,), NaN where unknown."""

    @property
    def knows_test_accuracy(self) -> bool:
        """Whether it tells the test accuracy of what its runs found."""
        return bool(np.isfinite(self.runs["test_acc"]).any())

    @property
    def algo(self) -> str:
        """Name of the algorithm."""
        return self.config.algo.name

    @property
    def hyper_parameters(self) -> tuple[tuple[str, object], ...]:
        """The algorithm's, by name, but its budget in seconds."""
        return tuple(dataclasses.replace(self.config.algo, seconds=None).hyper_parameters.items())

    @property
    def budget(self) -> float:
        """What all scores of one search could take together, seconds; infinite without such a budget."""
        return math.inf if self.config.algo.seconds is None else self.config.algo.seconds

    @functools.cached_property
    def trajectory(self) -> Mapping[str, FloatArray]:
        """By the columns of ``trajectory.parquet``: shape (runs, steps); runs that ended early keep their last step.

        Raises:
            InputError: the file is missing or broken.
        """
        path = self.folder / "trajectory.parquet"
        try:
            columns = read_columns(path, ("run", "score", "best_arch_index", "val_acc", "test_acc", "seconds"))
        except FileNotFoundError:
            raise InputError(f"{path}: missing; run the sweep again") from None
        steps = self.runs["scored"].astype(np.int64)
        if not np.array_equal(columns["run"], np.repeat(np.arange(len(steps)), steps)):
            raise InputError(f"{path}: does not have as many steps of each run as runs.csv says; run the sweep again")
        step = held(steps.tolist()) + (np.cumsum(steps) - steps)[:, None]
        return {name: np.asarray(values, dtype=np.float64)[step] for name, values in columns.items()}


Job = TypeVar("Job", bound=JobResult)


@dataclass(frozen=True, eq=False)
class FinishedSweep(Generic[Job]):
    """All jobs of a sweep."""

    folder: Path
    jobs: list[Job]
    missing: Mapping[str, str]
    """Jobs without a whole result, by folder: why."""
    skipped: Mapping[str, str]
    """Jobs that the sweep left out, by folder: why."""
    command: str | None
    """The command that made it, if it is known."""

    @functools.cached_property
    def accuracy(self) -> str:
        """The column that the report is about: `test_acc`, or `val_acc` unless every job knows test accuracies."""
        return "test_acc" if all(job.knows_test_accuracy for job in self.jobs) else "val_acc"

    @property
    def accuracy_name(self) -> str:
        """The same in words."""
        return {"test_acc": "test", "val_acc": "validation"}[self.accuracy]

    def trained(self, job: Job) -> Scores:
        """Return the accuracies on a job's dataset of the fully trained architectures of its space, percent.

        Raises:
            InputError: the benchmark cannot be read.
        """
        benchmark = job.config.benchmark.load(job.dataset)
        known = np.isfinite(benchmark.columns[self.accuracy])
        accuracy = benchmark.columns[self.accuracy][known]
        return Scores(benchmark.arch_index[known], accuracy, np.full(len(accuracy), np.nan))

    def scores(self, job: Job) -> Scores:
        """Return what is known of a job's metric over the space.

        Raises:
            InputError: it cannot be read, as when the images have gone.
        """
        return source_of(job.config).known()


Sweep = FinishedSweep[FinishedJob]
"""A sweep of searches."""
RankingSweep = FinishedSweep[RankingJob]
"""A sweep of task=correlate."""


def task_of(folder: Path) -> str | None:
    """Return the task of the first job of a sweep that left a whole summary; None if none did.

    Raises:
        InputError: there is no such sweep.
    """
    if not folder.is_dir():
        raise InputError(f"sweep={folder}: no such folder; expected one of multirun_sweeps/")
    summaries = (read_summary(path.parent) for path in sorted(folder.glob(f"*/{SUMMARY}")))
    return next((str(summary.get("task")) for summary in summaries if summary is not None), None)


def read_sweep(folder: Path) -> Sweep:
    """Read the results of a sweep of searches; what cannot be read counts as missing, and is told.

    Raises:
        InputError: there is no such sweep, or none of its jobs is a search that left a result.
    """
    return _read(folder, "search", _read_search)


def read_rankings(folder: Path) -> RankingSweep:
    """Read the results of a sweep of task=correlate; what cannot be read counts as missing, and is told.

    Raises:
        InputError: there is no such sweep, or none of its jobs is of that task and left a result.
    """
    return _read(folder, "ranking", _read_ranking)


def _read(folder: Path, what: str, read_job: Callable[[Path, str | None], Job]) -> FinishedSweep[Job]:
    if not folder.is_dir():
        raise InputError(f"sweep={folder}: no such folder; expected one of multirun_sweeps/")
    planned, skipped = _planned(folder)
    jobs, missing = list[Job](), dict[str, str]()
    for name, config_hash in planned.items():
        try:
            jobs.append(read_job(folder / name, config_hash))
        except InputError as error:
            missing[name] = str(error)
    if not jobs:
        why = f": {next(iter(missing.values()))}" if missing else ""
        raise InputError(f"sweep={folder}: found no finished {what}{why}")
    return FinishedSweep(folder, jobs, missing, skipped, _command(folder))


def _planned(folder: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the folders of all jobs with the hashes of their configurations, and why others were left out."""
    try:
        return listed_jobs(folder)
    except FileNotFoundError:
        return dict.fromkeys(sorted(path.parent.name for path in folder.glob(f"*/{SUMMARY}"))), {}


def _read_search(folder: Path, config_hash: str | None) -> FinishedJob:
    """Read what a search has left; `config_hash` is that of the sweep's configuration, None if it is not known."""
    file = folder / SUMMARY
    try:
        summary = _read_summary(folder, "search", config_hash)
        file = folder / "runs.csv"
        with open(file, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        runs = {column: np.array([float(row[column] or "nan") for row in rows]) for column in _RUN_COLUMNS}
        if len(rows) != summary["runs"]:
            raise InputError(f"{file}: found {len(rows)} runs; expected {summary['runs']}")
        config, _ = _read_config(folder / ".hydra")
    except (FileNotFoundError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise _unreadable(folder, file, error) from None
    return FinishedJob(folder, config, summary, runs)


def _read_ranking(folder: Path, config_hash: str | None) -> RankingJob:
    """Read what a job of task=correlate has left; `config_hash` as in `_read_search`."""
    file = folder / SUMMARY
    try:
        summary = _read_summary(folder, "correlate", config_hash)
        if "seconds_per_network" not in summary:
            raise InputError(f"{file}: of an older nas-exp, without intervals; run the sweep again with rerun=all")
        config, overrides = _read_config(folder / ".hydra")
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, file, error) from None
    return RankingJob(folder, config, summary, overrides)


def _read_summary(folder: Path, task: str, config_hash: str | None) -> Summary:
    file, summary = folder / SUMMARY, read_whole_summary(folder)
    if summary.get("task") != task:
        raise InputError(f"{file}: not the summary of a {'search' if task == 'search' else f'job of task={task}'}")
    if config_hash is not None and summary.get("config_hash") != config_hash:
        raise InputError(f"{file}: a result of other parameters; not run with the sweep's")
    return summary


def _unreadable(folder: Path, file: Path, error: Exception) -> InputError:
    """Return why a job counts as missing: its own error, a file that is not there, or one that is damaged."""
    if isinstance(error, FileNotFoundError):
        return InputError(read_error(folder) or f"{error.filename}: missing")
    return InputError(f"{file}: cut short or damaged ({in_one_line(error)})")


def _read_config(folder: Path) -> tuple[Config, dict[str, str]]:
    """Read the configuration that a job ran with, and its overrides by key.

    Its relative paths are relative to where it was started.
    """
    try:
        node, hydra = OmegaConf.load(folder / "config.yaml"), OmegaConf.load(folder / "hydra.yaml")
        started_in = Path(hydra.hydra.runtime.cwd)
        told = [str(override).partition("=") for override in hydra.hydra.overrides.task]
    except (YAMLError, OmegaConfBaseException, OSError, AttributeError, TypeError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise InputError(f"{folder}: not a job's configuration ({in_one_line(error)})") from None
    if not isinstance(node, DictConfig):
        raise InputError(f"{folder}: not a job's configuration")
    for group, key in (("dataset", "root"), ("benchmark", "path")):
        value = node[group][key]
        if value is not None:
            path = started_in / Path(value).expanduser()
            # without its images a job still has the scores that came with the package
            node[group][key] = str(path) if path.exists() or group == "benchmark" else None
    for key in ("data", "scores", "benchmarks"):
        node.paths[key] = str(started_in / Path(node.paths[key]).expanduser())
    try:
        return check(node), {key: value for key, _, value in told}
    except InputError as error:
        raise InputError(f"{folder / 'config.yaml'}: {error}") from None


def _command(folder: Path) -> str | None:
    try:
        told = OmegaConf.load(folder / "multirun.yaml").hydra.overrides.task
        # how it was taken up again says nothing about it
        overrides = [override for override in map(str, told) if not override.startswith(("rerun=", "dry_run="))]
    except FileNotFoundError:
        return None
    except (YAMLError, OmegaConfBaseException, OSError, ValueError, AttributeError, TypeError) as error:
        log.warning("%s: the command of the sweep is not known (%s)", folder / "multirun.yaml", in_one_line(error))
        return None
    return shlex.join(["python", "run.py", "-m", *overrides])
