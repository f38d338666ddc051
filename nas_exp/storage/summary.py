"""What a job leaves in its folder: a summary that vouches for its result, or its error."""

import contextlib
import enum
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nas_exp.errors import LONGEST_LINE, InputError, shown
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import read_small
from nas_exp.storage.seals import read_json, write_json

log = logging.getLogger(__name__)

Summary = dict[str, str | int | float | None]
"""Flat, JSON-ready; None where a value is unknown."""

SUMMARY, ERROR = "summary.json", "error.txt"
STARTED = Path(".hydra/config.yaml")
"""What Hydra writes into a job's folder when the job starts."""
BENCHMARK = "benchmark_digest"
"""The key of a digest of what the benchmark said, in the summaries of jobs that have asked it."""
RESULT_FILES = ("runs.csv", "trajectory.parquet")
"""What a search leaves beside its summary and is read again."""
FILES = (SUMMARY, ERROR, *RESULT_FILES, "trajectory.png", "pareto.csv", "pareto.png", "combinations.csv")
"""What tasks leave in a job's folder."""


class State(enum.StrEnum):
    """What an earlier run of a sweep has left of a job."""

    DONE = "done"
    """A whole result, of the same configuration."""
    OTHER = "other"
    """A whole result, of another configuration, or of a benchmark that says something else now."""
    FAILED = "failed"
    """An error."""
    LEFT = "left"
    """Nothing of use."""


RERUN = {"missing": (State.OTHER, State.FAILED, State.LEFT), "failed": (State.FAILED,), "all": tuple(State)}
"""The choices of the key `rerun`: the states of the jobs that a sweep runs."""


Digest = Callable[[], str | None]
"""Returns a digest of what a job's benchmark says now; None if that is not known."""


def is_of(summary: Summary, config_hash: str, benchmark: Digest | None = None) -> bool:
    """Return whether a summary is of a configuration, and of what its benchmark says now, as far as both are known."""
    if summary.get("config_hash") != config_hash:
        return False
    said = summary.get(BENCHMARK)
    return said is None or benchmark is None or benchmark() in (None, said)


def state(folder: Path, config_hash: str, benchmark: Digest | None = None) -> State:
    """Return what an earlier run has left in a job's folder.

    Args:
        folder: the job's folder.
        config_hash: that of the job's configuration.
        benchmark: see `Digest`; asked only if the job has asked it.
    """
    summary = read_summary(folder)
    if summary is not None:
        return State.DONE if is_of(summary, config_hash, benchmark) else State.OTHER
    return State.FAILED if (folder / ERROR).exists() else State.LEFT


def write_summary(folder: Path, summary: Summary) -> None:
    """Write a job's summary, with a seal over it, the files of the result, and the job's configuration.

    Raises:
        OSError: it cannot be written.
    """
    write_json(folder / SUMMARY, summary, _sealed_files(folder))


def read_whole_summary(folder: Path, *, is_sealed: bool = False) -> Summary:
    """Return a job's summary.

    Args:
        folder: the job's folder.
        is_sealed: whether it must have a seal; otherwise one that has none counts as whole.

    Raises:
        OSError: it cannot be read, as when there is none.
        DamagedError: it, a file of the result, or the job's configuration is not what the job has written.
    """
    return read_json(folder / SUMMARY, _sealed_files(folder), is_sealed=is_sealed)


def read_summary(folder: Path) -> Summary | None:
    """Return a job's summary; None if there is none, or none that is whole."""
    try:
        return read_whole_summary(folder)
    except (FileNotFoundError, DamagedError):
        return None


def remove(folder: Path, found: State) -> None:
    """Remove what an earlier run has left of a job; a damaged result is renamed.

    Args:
        folder: the job's folder, whose lock the caller holds.
        found: what `state` says of it.

    Raises:
        OSError: the folder cannot be written to.
    """
    if found not in (State.DONE, State.OTHER) and (folder / SUMMARY).exists():
        for name in (SUMMARY, *RESULT_FILES):
            with contextlib.suppress(FileNotFoundError):
                (folder / name).replace(folder / f"{name}.damaged")
        log.warning("%s.damaged: it or what it sums up was damaged; the job is run again", folder / SUMMARY)
    for file in (*FILES, STARTED):
        (folder / file).unlink(missing_ok=True)


def _sealed_files(folder: Path) -> list[Path]:
    return [folder / name for name in (*RESULT_FILES, STARTED, STARTED.with_name("hydra.yaml"))]


def read_error(folder: Path) -> str | None:
    """Return the last line of the error that a failed job has left; None if there is none."""
    try:
        lines = read_small(folder / ERROR).decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return None
    except InputError as error:
        return str(error)
    return shown(lines[-1], longest=LONGEST_LINE) if lines else None


def all_keys(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the keys of all rows in a common order: that of the longest row, then what it lacks."""
    return list(dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row))
