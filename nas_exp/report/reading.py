"""Reading a finished sweep from its folder, which may be somebody else's."""

import csv
import io
import itertools
import logging
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.config.check import Config, check
from nas_exp.config.stored import read_plain, said_here, settled
from nas_exp.errors import InputError, describe, in_one_line, listed, shown
from nas_exp.report.sweep import FinishedJob, FinishedSweep, are_within_reason, pooled, read_trajectory
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import open_regular
from nas_exp.storage.summary import STARTED, SUMMARY, Summary, read_error, read_whole_summary
from nas_exp.sweeps.jobs import JOBS, is_a_jobs_folder, listed_jobs

log = logging.getLogger(__name__)

_KINDS = {"search": "search", "correlate": "ranking"}
"""The tasks whose sweeps have a report, and what their jobs are called."""
_RUN_COLUMNS = ("arch_index", "score", "val_acc", "test_acc", "seconds", "scored")
_SWEEP = "multirun.yaml"
"""What a sweep writes into its folder when it starts."""
_PATHS = ("dataset.root", "benchmark.path")
_MEANS = ("val_acc_mean", "val_acc_std", "test_acc_mean", "test_acc_std", "seconds_mean")
"""What a report takes from the summary of a search."""
_STATISTICS = ("rho", "tau", "ndcg", "precision", "regret", "seconds", "architectures")
"""How the keys begin that a report takes from the summary of a ranking."""


def read_sweep(folder: Path, given: Mapping[str, Path | None] | None = None) -> FinishedSweep:
    """Read the results of a sweep of searches or rankings. A job that cannot be read counts as missing.

    Args:
        folder: of the sweep.
        given: where the files are now that a job has found at ``dataset.root`` or ``benchmark.path``, by that key.

    Raises:
        InputError: there is no such sweep, or none of its jobs left a result.
    """
    if not folder.is_dir():
        raise InputError(f"sweep={folder}: no such folder; expected one of multirun_sweeps/")
    task = _task_of(folder)
    planned, skipped = _planned(folder)
    jobs, missing, said = list[FinishedJob](), dict[str, str](), said_here()
    for name, config_hash in planned.items():
        try:
            if not is_a_jobs_folder(name):
                raise InputError(f"{folder / JOBS}: expected the name of a folder in {folder}")
            jobs.append(_read_job(folder / name, task, config_hash, given or {}, said))
        except InputError as error:
            missing[shown(name)] = str(error)
    if not jobs:
        why = f": {next(iter(missing.values()))}" if missing else _what_else(folder)
        raise InputError(f"sweep={folder}: found no finished {_KINDS[task]}{why}")
    jobs, apart = pooled(jobs) if task == "search" else (jobs, [])
    return FinishedSweep(folder, task, jobs, missing, skipped, _command(folder), apart=apart)


def _task_of(folder: Path) -> str:
    """Return the task of the first job that left a whole summary and has a report, else that of searches."""
    for path in sorted(folder.glob(f"*/{SUMMARY}")):
        with suppress(DamagedError, OSError):
            task = str(read_whole_summary(path.parent).get("task"))
            if task in _KINDS:
                return task
    return "search"


def _what_else(folder: Path) -> str:
    """Return what a folder is that holds no jobs, and what to give, as the end of a message."""
    if (folder / STARTED).exists():
        parent = folder.absolute().parent
        is_of_sweep = (parent / _SWEEP).exists()
        return "; it is the folder of one job, expected " + (f"sweep={parent}" if is_of_sweep else "that of a sweep")
    sweeps = [path.parent.name for path in sorted(folder.glob(f"*/{_SWEEP}"))]
    several = f"it is the folder of several sweeps, expected one: {listed(sweeps)}"
    return f"; {several if sweeps else 'expected the folder of a finished sweep, as multirun_sweeps/NAME'}"


def _planned(folder: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the folders of all jobs with the hashes of their configurations, and why others were left out."""
    try:
        return listed_jobs(folder)
    except FileNotFoundError:
        return dict.fromkeys(sorted(path.parent.name for path in folder.glob(f"*/{SUMMARY}"))), {}


def _read_job(
    folder: Path, task: str, config_hash: str | None, given: Mapping[str, Path | None], said: set[tuple[str, str]]
) -> FinishedJob:
    """Read the result of a job; `config_hash` is that of the sweep's configuration, None if it is not known."""
    file = folder / SUMMARY
    try:
        summary = {key: shown(value) if isinstance(value, str) else value for key, value in _summary(folder).items()}
        if summary.get("task") != task:
            raise InputError(f"{file}: not the summary of a {_KINDS[task]}")
        if config_hash is not None and summary.get("config_hash") != config_hash:
            raise InputError(f"{file}: a result of other parameters; not run with the sweep's")
        if task == "correlate" and "seconds_per_network" not in summary:
            raise InputError(f"{file}: of an older nas-exp, without intervals; run the sweep again with rerun=all")
        _check_numbers(summary, task)
        config, overrides = _read_config(folder / ".hydra", summary, given, said)
        if config.task.name != task:
            raise InputError(f"{file}: not of the task that the job's configuration names")
        if task == "correlate":
            if not 0 < config.task.arguments["top"] <= 1:
                raise InputError(f"{folder}: task.top: expected a share")
            return FinishedJob(folder, config, summary, overrides)
        runs = _read_runs(folder / "runs.csv", config)
        read_trajectory(folder, runs["scored"])
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing") from None
    except OSError as error:
        raise InputError(describe(error, folder)) from None
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, csv.Error) as error:
        raise InputError(f"{folder}: {SUMMARY} or runs.csv: cut short or damaged ({in_one_line(error)})") from None
    return FinishedJob(folder, config, summary, overrides, runs)


def _summary(folder: Path) -> Summary:
    try:
        return read_whole_summary(folder, is_sealed=True)
    except FileNotFoundError:
        raise InputError(read_error(folder) or f"{folder / SUMMARY}: missing") from None


def _check_numbers(summary: Summary, task: str) -> None:
    """Check that what a report takes from a summary as a number is one, or unknown."""
    found = [key for key in {**summary, "architectures": None} if key.startswith(_STATISTICS)]
    for key in _MEANS if task == "search" else found:
        value = summary[key]
        if value is None and key != "architectures":
            continue
        if not isinstance(value, int | float) or not abs(value) < 1e15:
            raise ValueError(f"{shown(key)}: expected a number")


def _read_runs(file: Path, config: Config) -> dict[str, FloatArray]:
    """Read as many runs as the configuration says."""
    with io.TextIOWrapper(open_regular(file), encoding="utf-8", newline="") as stream:
        rows = list(itertools.islice(csv.DictReader(stream), config.runs + 1))
    if len(rows) != config.runs:
        raise InputError(f"{file}: found {len(rows)} runs; expected {config.runs}")
    runs = {column: np.array([float(row[column] or "nan") for row in rows]) for column in _RUN_COLUMNS}
    if any(np.isinf(values).any() for values in runs.values()) or not are_within_reason(runs):
        raise InputError(f"{file}: expected finite numbers")
    found, scored = runs["arch_index"], runs["scored"]
    are_there = np.isnan(found) | ((found % 1 == 0) & (found >= 0) & (found < len(config.space)))
    if not (are_there & (scored % 1 == 0) & (scored >= 1) & (scored < 2**40)).all():
        raise InputError(f"{file}: arch_index, scored: expected architectures of the space, and counts")
    return runs


def _read_config(
    folder: Path, summary: Summary, given: Mapping[str, Path | None], said: set[tuple[str, str]]
) -> tuple[Config, dict[str, str]]:
    """Read the configuration that a job ran with, and its overrides by key.

    Its relative paths are relative to where it was started, or to the current folder if only there they lead anywhere.
    """
    plain, hydra = read_plain(folder / "config.yaml"), read_plain(folder / "hydra.yaml")
    try:
        started_in = Path(hydra["hydra"]["runtime"]["cwd"])
        overrides = [str(override).partition("=") for override in hydra["hydra"]["overrides"]["task"]]
        node, moved, are_there = settled(plain, said), dict[str, Path | None](), True
        for group, name in (key.split(".") for key in _PATHS):
            if (value := node[group][name]) is not None:
                key, original = f"{group}.{name}", started_in / Path(value).expanduser()
                node[group][name], moved[key] = str(original), given.get(key) or _place(value, started_in)
                are_there = are_there and moved[key] == original
        if moved.get("benchmark.path", Path()) is None:
            raise InputError(f"benchmark.path={node.benchmark.path}: no such file or folder; give benchmark.path=NEW")
        for key in ("data", "scores", "benchmarks"):
            node.paths[key] = str(_place(node.paths[key], started_in) or started_in / node.paths[key])
        config = check(node, moved=moved)
    except InputError as error:
        raise InputError(f"{folder / 'config.yaml'}: {error}") from None
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{folder}: not a job's configuration ({in_one_line(error)})") from None
    if are_there and config.hash != summary.get("config_hash"):
        raise InputError(f"{folder / 'config.yaml'}: not the configuration of {SUMMARY}; run the sweep again")
    return config, {key: shown(value) for key, _, value in overrides}


def _place(value: str, started_in: Path) -> Path | None:
    """Return where a path of a job leads to today; None if nowhere."""
    path = Path(value).expanduser()
    return next((place for place in (started_in / path, Path.cwd() / path) if place.exists()), None)


def _command(folder: Path) -> str | None:
    file = folder / _SWEEP
    try:
        given = read_plain(file)["hydra"]["overrides"]["task"]
        # how it was resumed says nothing about its results
        overrides = [override for override in map(str, given) if not override.startswith(("rerun=", "dry_run="))]
    except FileNotFoundError:
        return None
    except (InputError, OSError, LookupError, TypeError, AttributeError) as error:
        log.warning("%s: the command of the sweep is not known (%s)", file, in_one_line(error))
        return None
    return shlex.join(["python", "run.py", "-m", *(each if each.isprintable() else shown(each) for each in overrides)])
