"""Reading a finished sweep from its folder."""

import csv
import logging
import shlex
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas_exp.arrays import FloatArray
from nas_exp.config.check import Config, check
from nas_exp.errors import InputError, in_one_line
from nas_exp.report.sweep import FinishedJob, FinishedSweep
from nas_exp.storage.summary import SUMMARY, read_error, read_summary, read_whole_summary
from nas_exp.sweeps.jobs import listed_jobs

log = logging.getLogger(__name__)

_KINDS = {"search": "search", "correlate": "ranking"}
"""The tasks whose sweeps have a report, and what their jobs are called."""
_RUN_COLUMNS = ("arch_index", "score", "val_acc", "test_acc", "seconds", "scored")


def read_sweep(folder: Path) -> FinishedSweep:
    """Read the results of a sweep of searches or rankings. A job that cannot be read counts as missing.

    Raises:
        InputError: there is no such sweep, or none of its jobs left a result.
    """
    if not folder.is_dir():
        raise InputError(f"sweep={folder}: no such folder; expected one of multirun_sweeps/")
    task = _task_of(folder)
    planned, skipped = _planned(folder)
    jobs, missing = list[FinishedJob](), dict[str, str]()
    for name, config_hash in planned.items():
        try:
            jobs.append(_read_job(folder / name, task, config_hash))
        except InputError as error:
            missing[name] = str(error)
    if not jobs:
        why = f": {next(iter(missing.values()))}" if missing else ""
        raise InputError(f"sweep={folder}: found no finished {_KINDS[task]}{why}")
    return FinishedSweep(folder, task, jobs, missing, skipped, _command(folder))


def _task_of(folder: Path) -> str:
    """Return the task of the first job that left a whole summary and has a report, else that of searches."""
    summaries = (read_summary(path.parent) for path in sorted(folder.glob(f"*/{SUMMARY}")))
    tasks = (str(summary.get("task")) for summary in summaries if summary is not None)
    return next((task for task in tasks if task in _KINDS), "search")


def _planned(folder: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the folders of all jobs with the hashes of their configurations, and why others were left out."""
    try:
        return listed_jobs(folder)
    except FileNotFoundError:
        return dict.fromkeys(sorted(path.parent.name for path in folder.glob(f"*/{SUMMARY}"))), {}


def _read_job(folder: Path, task: str, config_hash: str | None) -> FinishedJob:
    """Read the result of a job; `config_hash` is that of the sweep's configuration, None if it is not known."""
    file = folder / SUMMARY
    try:
        summary = read_whole_summary(folder)
    except FileNotFoundError:
        raise InputError(read_error(folder) or f"{file}: missing") from None
    if summary.get("task") != task:
        raise InputError(f"{file}: not the summary of a {_KINDS[task]}")
    if config_hash is not None and summary.get("config_hash") != config_hash:
        raise InputError(f"{file}: a result of other parameters; not run with the sweep's")
    if task == "correlate" and "seconds_per_network" not in summary:
        raise InputError(f"{file}: of an older nas-exp, without intervals; run the sweep again with rerun=all")
    try:
        runs = _read_runs(folder / "runs.csv", summary["runs"]) if task == "search" else {}
        config, overrides = _read_config(folder / ".hydra")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: missing") from None
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{folder}: {SUMMARY} or runs.csv: cut short or damaged ({in_one_line(error)})") from None
    return FinishedJob(folder, config, summary, overrides, runs)


def _read_runs(file: Path, expected: object) -> dict[str, FloatArray]:
    with open(file, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if len(rows) != expected:
        raise InputError(f"{file}: found {len(rows)} runs; expected {expected}")
    return {column: np.array([float(row[column] or "nan") for row in rows]) for column in _RUN_COLUMNS}


def _read_config(folder: Path) -> tuple[Config, dict[str, str]]:
    """Read the configuration that a job ran with, and its overrides by key.

    Its relative paths are relative to where it was started.
    """
    try:
        node, hydra = OmegaConf.load(folder / "config.yaml"), OmegaConf.load(folder / "hydra.yaml")
        started_in = Path(hydra.hydra.runtime.cwd)
        overrides = [str(override).partition("=") for override in hydra.hydra.overrides.task]
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
        return check(node), {key: value for key, _, value in overrides}
    except InputError as error:
        raise InputError(f"{folder / 'config.yaml'}: {error}") from None


def _command(folder: Path) -> str | None:
    try:
        given = OmegaConf.load(folder / "multirun.yaml").hydra.overrides.task
        # how it was resumed says nothing about its results
        overrides = [override for override in map(str, given) if not override.startswith(("rerun=", "dry_run="))]
    except FileNotFoundError:
        return None
    except (YAMLError, OmegaConfBaseException, OSError, ValueError, AttributeError, TypeError) as error:
        log.warning("%s: the command of the sweep is not known (%s)", folder / "multirun.yaml", in_one_line(error))
        return None
    return shlex.join(["python", "run.py", "-m", *overrides])
