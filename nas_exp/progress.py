"""Progress of long work on stderr: a bar on a terminal, sparse log lines anywhere else."""

import contextlib
import datetime
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator

LOG_EVERY_SECONDS = 10.0
"""Often enough to see that work goes on, rarely enough for the log of an overnight job."""

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how far a piece of work is, at which rate, and how long it will still take.

    Args:
        description: what is being done.
        total: how many units there are to do; may be 0.
        unit: what is counted, in the plural.

    Yields:
        `advance(n)`, to be called when `n` more units are done.
    """
    # the jobs of a sweep share a terminal, and their bars would overwrite each other
    alone = multiprocessing.parent_process() is None
    show = _bar if alone and sys.stderr.isatty() else _log
    with show(description, total, unit) as advance:
        yield advance


@contextlib.contextmanager
def _bar(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
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
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar.update(task, advance=count, rate=_rate(done, time.monotonic() - started, unit))

        yield advance


@contextlib.contextmanager
def _log(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    started = last = time.monotonic()
    done = 0

    def report(now: float) -> None:
        elapsed = now - started
        if done < total:
            left = duration(elapsed / done * (total - done)) if done else "unknown time"
            ending = f"{left} left"
        else:
            ending = f"done in {duration(elapsed)}"
        _logger.info("%s: %d/%d %s, %s, %s", description, done, total, unit, _rate(done, elapsed, unit), ending)

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS and done < total:
            last = now
            report(now)

    try:
        yield advance
    finally:
        # also after an interrupt: it says how far the work came
        report(time.monotonic())


def _rate(done: int, elapsed: float, unit: str) -> str:
    return f"{done / elapsed if elapsed > 0 else 0.0:.1f} {unit}/s"


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))
