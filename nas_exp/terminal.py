"""Progress of long work on stderr: a bar on a terminal, sparse log lines anywhere else."""

import contextlib
import datetime
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from typing import Protocol

LOG_EVERY_SECONDS = 10.0
"""Often enough to see that work goes on, rarely enough for the log of an overnight job."""

_logger = logging.getLogger(__name__)


class Advance(Protocol):
    """What is to be called when more units are done."""

    def __call__(self, count: int, *, failed: int = 0) -> None:
        """Count `count` more units, `failed` of which have failed."""


@contextlib.contextmanager
def progress(description: str, total: int, unit: str, *, alone: bool = True) -> Iterator[Advance]:
    """Show how far a piece of work is, at which rate, and how long it will still take.

    Args:
        description: what is being done.
        total: how many units there are to do; may be 0.
        unit: what is counted, in the plural.
        alone: whether nothing else writes to the terminal meanwhile.

    Yields:
        `advance(n)`, to be called when `n` more units are done; see `Advance`.
    """
    # the jobs of a sweep share a terminal, and their bars would overwrite each other
    alone = alone and multiprocessing.parent_process() is None
    show = _bar if alone and sys.stderr.isatty() else _log
    with show(description, total, unit) as advance:
        yield advance


@contextlib.contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        # descriptions may hold file names, whose brackets are no markup
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        started = time.monotonic()
        task = bar.add_task(description, total=total, rate=_rate(0, 0.0, unit))
        done = all_failed = 0

        def advance(count: int, *, failed: int = 0) -> None:
            nonlocal done, all_failed
            done, all_failed = done + count, all_failed + failed
            rate = _rate(done, time.monotonic() - started, unit)
            bar.update(task, advance=count, rate=rate + _failures(all_failed))

        yield advance


@contextlib.contextmanager
def _log(description: str, total: int, unit: str) -> Iterator[Advance]:
    started = last = time.monotonic()
    done = all_failed = 0

    def report(now: float) -> None:
        elapsed = now - started
        if done < total:
            left = duration(elapsed / done * (total - done)) if done else "unknown time"
            ending = f"{left} left"
        else:
            ending = f"done in {duration(elapsed)}"
        rate = _rate(done, elapsed, unit)
        _logger.info("%s: %d/%d %s%s, %s, %s", description, done, total, unit, _failures(all_failed), rate, ending)

    def advance(count: int, *, failed: int = 0) -> None:
        nonlocal done, all_failed, last
        done, all_failed = done + count, all_failed + failed
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS and done < total:
            last = now
            report(now)

    try:
        yield advance
    finally:
        # also after an interrupt: it says how far the work came
        report(time.monotonic())


def _failures(failed: int) -> str:
    return f" ({failed} failed)" if failed else ""


def _rate(done: int, elapsed: float, unit: str) -> str:
    return f"{done / elapsed if elapsed > 0 else 0.0:.1f} {unit}/s"


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))
