"""A sweep's jobs: which there are, which are run, and one table over those that finished."""

import csv
import dataclasses
import hashlib
import itertools
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas_exp.errors import InputError, in_one_line
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import replacing
from nas_exp.storage.locks import lock
from nas_exp.storage.seals import read_json, write_json
from nas_exp.storage.summary import (
    BENCHMARK,
    RERUN,
    Digest,
    State,
    Summary,
    all_keys,
    is_of,
    read_summary,
    remove,
    state,
)

log = logging.getLogger(__name__)

RESULTS, JOBS = "results.csv", "jobs.json"

_PLACES = {"dataset.root", "benchmark.path", "device", "n_jobs", "name", "experiment", "rerun", "dry_run"}
"""Keys of where and how a job runs; they are part of a folder's name only if they are swept."""
_NONE: Mapping["Job", Digest] = MappingProxyType({})
_LONGEST = 180  # file systems allow 255 bytes a name


class JobsFailedError(Exception):
    """Some jobs of a sweep did not finish; the closing table has named them."""


@dataclass(frozen=True)
class Job:
    """One combination of a sweep."""

    overrides: tuple[str, ...]
    folder: str


def combine(grid: Sequence[Sequence[str]], together: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    """Combine every combination of a grid with sets of values.

    A key that the grid has overrides the sets: of each list only the sets with the same value of the key are used. If
    no set has that value, all are, without the key and, if the key is a group, without the keys of that group.

    Args:
        grid: the overrides of each combination, as ``key=value``.
        together: lists of sets of values by key; every set of a list is combined with every set of the other lists.
    """
    return [
        [*combination, *itertools.chain(*chosen)]
        for combination in grid
        for chosen in itertools.product(*(_chosen(sets, combination) for sets in together.values()))
    ]


def _chosen(sets: Sequence[Mapping[str, Any]], combination: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each set that a combination of the grid is combined with."""
    given = dict(override.split("=", 1) for override in combination)
    for key, value in given.items():
        sets = [values for values in sets if key in values and _as_typed(values[key]) == value] or sets
    chosen = []
    for values in sets:
        replaced = [key for key, value in given.items() if key in values and _as_typed(values[key]) != value]
        chosen.append(
            [
                f"{key}={_as_typed(value)}"
                for key, value in values.items()
                if key not in given and not key.startswith(tuple(f"{group}." for group in replaced))
            ]
        )
    return chosen


def _as_typed(value: Any) -> str:
    """Return a value of a YAML file as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def plan(combinations: Sequence[Sequence[str]]) -> list[Job]:
    """Return the jobs of a sweep, each once, with folders that are named by their overrides.

    Args:
        combinations: the overrides of each job, as ``key=value``.

    Raises:
        InputError: there are no jobs, or a key is swept that must be the same for all jobs.
    """
    distinct = list(dict.fromkeys(tuple(combination) for combination in combinations))
    if not distinct:
        raise InputError("the sweep has no jobs: a swept value matches nothing")
    swept = {key for key, values in _values_by_key(distinct).items() if len(values) > 1}
    for key in sorted(swept):
        if key == "name" or key.startswith(("hydra.", "hydra/")):
            raise InputError(f"{key}: cannot be swept, since all jobs of a sweep share it; expected one value")
    return [Job(overrides, _folder(overrides, swept)) for overrides in distinct]


def _values_by_key(combinations: Sequence[Sequence[str]]) -> Mapping[str, set[str]]:
    values: dict[str, set[str]] = {}
    for combination in combinations:
        for override in combination:
            key, _, value = override.partition("=")
            values.setdefault(key, set()).add(value)
    return values


def _folder(overrides: Sequence[str], swept: set[str]) -> str:
    named = []
    for override in overrides:
        key = override.partition("=")[0]
        is_place = key.lstrip("+~") in _PLACES or key.lstrip("+~").startswith(("paths.", "hydra"))
        if key in swept or not is_place:
            named.append(override)
    full = ",".join(named) or "job"
    name = re.sub(r"[^\w.,=+@~-]+", "_", full)[:_LONGEST]
    # two names that are cut short or rewritten could become the same
    return name if name == full else f"{name}-{hashlib.sha256(full.encode()).hexdigest()[:8]}"


def to_run(states: Mapping[Job, State], rerun: str) -> list[Job]:
    """Return the jobs that are run, as chosen by `rerun`, one of `RERUN`."""
    return [job for job, found in states.items() if found in RERUN[rerun]]


def open_sweep(
    sweep: Path,
    hashes: Mapping[Job, str],
    states: Mapping[Job, State],
    skipped: Mapping[Job, str],
    rerun: str,
    *,
    benchmarks: Mapping[Job, Digest] = _NONE,
) -> list[Job]:
    """Begin a sweep: write ``jobs.json``, which lists its jobs, log which are left out, and return those to run.

    The earlier results and errors of the jobs to run are removed; damaged results are renamed. The folder of a job on
    which a process of an earlier run still works is left as it is.

    Args:
        sweep: its folder, whose lock the caller holds.
        hashes: its jobs, with the hash of their configuration.
        states: what an earlier run has left of each.
        skipped: jobs that cannot be run, with the reason.
        rerun: one of `RERUN`.
        benchmarks: see `nas_exp.storage.summary.state`.
    """
    run = to_run(states, rerun)
    replaced = [job for job in run if _clear(sweep / job.folder, hashes[job], states[job], benchmarks.get(job))]
    if replaced:
        log.warning("%d earlier results are replaced, as that of %s", len(replaced), sweep / replaced[0].folder)
    listed = {
        "jobs": [{**dataclasses.asdict(job), "config_hash": hash_} for job, hash_ in hashes.items()],
        "skipped": [{**dataclasses.asdict(job), "reason": reason} for job, reason in skipped.items()],
    }
    write_json(sweep / JOBS, listed)
    if len(run) < len(hashes):
        log.info("%d of %d jobs are not run again", len(hashes) - len(run), len(hashes))
    for reason in dict.fromkeys(skipped.values()):
        jobs = [job.folder for job, other in skipped.items() if other == reason]
        log.warning(
            "%d of %d jobs are left out: %s: %s", len(jobs), len(hashes) + len(skipped), reason, "; ".join(jobs)
        )
    return run


def _clear(folder: Path, config_hash: str, before: State, benchmark: Digest | None) -> bool:
    """Remove what an earlier run has left of a job that is to be run; return whether that was a whole result.

    Nothing is removed if a process works there, or has just finished the job.
    """
    if not folder.exists():
        return False
    try:
        with lock(folder, wait=False):
            now = state(folder, config_hash, benchmark)
            if now is State.DONE and before is not State.DONE:
                return False
            remove(folder, now)
    except InputError as busy:
        log.warning("%s", busy)
        return False
    return now in (State.DONE, State.OTHER)


def listed_jobs(sweep: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """Read ``jobs.json``.

    Returns:
        By folder, the hashes of the jobs' configurations, None if unknown, and the reasons why others were left out.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged.
    """
    try:
        listed = read_json(sweep / JOBS)
        jobs = {job["folder"]: job.get("config_hash") for job in listed["jobs"]}
        return jobs, {job["folder"]: job["reason"] for job in listed["skipped"]}
    except (DamagedError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{sweep / JOBS}: not the list of a sweep's jobs ({in_one_line(error)}); "
            "run the sweep again, which writes the list and keeps the results"
        ) from None


def collect(
    sweep: Path, hashes: Mapping[Job, str], benchmarks: Mapping[Job, Digest] = _NONE
) -> tuple[list[Summary], list[Job]]:
    """Return one row a finished job, for ``results.csv``, and the jobs that did not finish.

    Args:
        sweep: the folder of the sweep.
        hashes: its jobs, with the hash of their configuration; a result of another configuration does not count.
        benchmarks: see `nas_exp.storage.summary.state`.
    """
    finished: list[Summary] = []
    failed: list[Job] = []
    for job, config_hash in hashes.items():
        summary = read_summary(sweep / job.folder)
        if summary is None or not is_of(summary, config_hash, benchmarks.get(job)):
            failed.append(job)
        else:
            summary.pop(BENCHMARK, None)
            finished.append({"job": job.folder, **summary})
    return finished, failed


def write_results(sweep: Path, finished: Sequence[Summary]) -> None:
    """Write ``results.csv``, one row a finished job.

    Raises:
        OSError: it cannot be written.
    """
    columns = all_keys(finished)
    with replacing(sweep / RESULTS) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(finished)
