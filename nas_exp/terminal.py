"""The terminal: progress of long work, and tables.

Progress goes to stderr: a bar on a terminal, sparse log lines anywhere else. Tables go to stdout.
"""

import codecs
import contextlib
import datetime
import io
import logging
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

from nas_exp.errors import LONGEST_LINE, shown
from nas_exp.storage.summary import Summary, all_keys

_PLAIN = {"±": "+-", "ρ": "rho", "τ": "tau", "…": "...", "–": "-", "−": "-", "×": "x", "→": "->", "∞": "inf", "━": "-"}
"""What is printed for signs that a terminal's encoding lacks; others are escaped."""

LOG_EVERY_SECONDS = 10.0
"""Often enough to see that work goes on, rarely enough for the log of an overnight job."""

_MANY = 200

Item = TypeVar("Item")

_logger = logging.getLogger(__name__)


class Advance(Protocol):
    """A function to call when more units are done."""

    def __call__(self, count: int, *, failed: int = 0) -> None:
        """Count `count` more units, `failed` of which have failed."""


def print_anywhere() -> None:
    """Let standard output and error take any text in any state, and the log hold one line a message.

    What the encoding lacks is escaped. What a closed, full or broken output cannot take is lost, and ends nothing.
    """
    logging.raiseExceptions = False  # a log file on a full disk loses its lines; whatever needs the disk reports it
    logging.setLogRecordFactory(_Record)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="nas_exp")
            setattr(sys, name, _Output(stream, name))
        elif stream is None:  # it was closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process


class _Output:
    """Standard output or error, which loses what it cannot write. Of standard output, standard error says so."""

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        self._stream, self._name = stream, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._losing():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._losing():
            self._stream.flush()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # so that what is buffered goes somewhere
            if self._name == "stdout" and not isinstance(error, BrokenPipeError):  # whose reader has read enough
                print(f"standard output: {error.strerror}; what is printed is lost", file=sys.stderr)


class _Record(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802
        return shown(super().getMessage(), longest=LONGEST_LINE)


def _printable(text: str) -> str:
    """Return what standard output shows of a text, so that the columns of a table are as wide as that."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "nas_exp").decode(encoding)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, ascii(each)[1:-1]) for each in text), error.end


codecs.register_error("nas_exp", _plain)


@contextlib.contextmanager
def progress(description: str, total: int, unit: str, *, bar: bool = True) -> Iterator[Advance]:
    """Show how far a piece of work is, at which rate, and how long it will still take.

    Args:
        description: what is being done.
        total: how many units there are to do; may be 0.
        unit: what is counted, in the plural.
        bar: whether it may be a bar: not if others write to the terminal meanwhile.

    Yields:
        `advance(n)`, to be called when `n` more units are done; see `Advance`.
    """
    # the jobs of a sweep share a terminal, and their bars would overwrite each other
    bar = bar and multiprocessing.parent_process() is None
    show = _bar if bar and sys.stderr.isatty() else _log
    with show(description, total, unit) as advance:
        yield advance


def with_progress(items: Sequence[Item], description: str, unit: str) -> Iterator[Item]:
    """Yield items, and show how far it is if they are many: a few are soon done."""
    if len(items) < _MANY:
        yield from items
        return
    with progress(description, len(items), unit) as advance:
        for item in items:
            yield item
            advance(1)


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


_HEADINGS = {
    "val_acc": "val acc (%)",
    "test_acc": "test acc (%)",
    "best_arch_str": "best architecture",
    "front_size": "networks in front",
    "budget_seconds": "seconds allowed",
    "worst_difference": "worst relative difference",
    "worst_arch_index": "of arch_index",
    "seconds_per_network": "seconds a network",
}
_STATISTIC = re.compile(r"(rho|tau|ndcg_100|regret)(_top)?_(test|val)_acc")
_SYMBOLS = {"rho": "ρ", "tau": "τ", "ndcg_100": "nDCG"}
_HIDDEN = re.compile(
    r"task|job|config_hash|benchmark_digest|version|hypervolume_reference_cost|.*(_std|_low|_high|precision_100_(test|val)_acc)"
)
"""Columns that are shown in the cell of another, or only in the files."""
_WIDE = ("best_arch_str", "table")
"""Too wide for a column: below the table if it has one row, otherwise only in the files."""


def print_table(summaries: Sequence[Summary], *, title: str) -> None:
    """Print one row a summary to standard output: means and deviations in one cell, a dash for what is unknown.

    Values that many rows have in common are printed once, below the table.
    """
    from rich.console import Console
    from rich.table import Table

    rows = [_cells(summary) for summary in summaries]
    columns = all_keys(rows)
    shared = [name for name in columns if len(rows) > 1 and len({row.get(name) for row in rows}) == 1]
    below = [name for name in columns if name in shared or (name in _WIDE and len(rows) == 1)]
    table = Table(header_style="bold")
    inside = [name for name in columns if name not in below and name not in _WIDE]
    for name in inside:
        table.add_column(_printable(_heading(name)), overflow="fold")
    for row in rows:
        table.add_row(*(_printable(row.get(name, "-")) for name in inside))
    console = Console(highlight=False, markup=False, soft_wrap=False)
    if not console.is_terminal:  # a pipe or a log file has no width
        console = Console(highlight=False, markup=False, width=160)
    console.print(title, style="bold", soft_wrap=True)
    if inside:
        console.print(table)
    for name in below:
        console.print(f"{_heading(name)}: {rows[0].get(name, '-')}", soft_wrap=True)


def _heading(name: str) -> str:
    if name.endswith("_hypervolume"):
        return name.replace("_", " ")
    if (statistic := _STATISTIC.fullmatch(name)) is not None:
        measure, top, accuracy = statistic.groups()
        return f"{_SYMBOLS.get(measure, measure)} {accuracy}{' top' if top else ''}"
    return _HEADINGS.get(name, name)


def _cells(summary: Summary) -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in summary.items():
        if _HIDDEN.fullmatch(key):
            continue
        name = key.removesuffix("_mean")
        text, deviation = _text(key, value), summary.get(f"{name}_std")
        cells[name] = text if deviation is None else f"{text} ± {_text(key, deviation)}"
    return cells


def _text(key: str, value: str | float | None) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return shown(str(value))
    if key == "seconds_per_network":  # from microseconds to hours
        return f"{value:.3g}"
    if key == "worst_difference":
        return f"{value:.1e}"
    digits = 3 if key.startswith(("rho", "tau", "ndcg")) or key.endswith("hypervolume_mean") else 2
    return f"{value:.{digits}f}"
