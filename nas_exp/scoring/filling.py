"""A score table that is being filled."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_exp.scoring.compute import Scored, Work, compute
from nas_exp.scoring.table import Scores, ScoreTable

_SECONDS_BETWEEN_WRITES = 3.0  # what a kill may cost, against files that are too small
_ROWS_A_PART = 4096  # so many scores are written again with every write, so that a process has few parts
_SECONDS_BETWEEN_READS = 3.0  # other processes may fill the same table


class LiveTable:
    """Computes scores and keeps them in a table, every few seconds and, whatever ends the block, when it is left."""

    def __init__(self, table: ScoreTable, work: Work, *, n_jobs: int) -> None:
        """Get ready; nothing is computed or written yet.

        Args:
            table: where scores are kept.
            work: how to compute them.
            n_jobs: processes.
        """
        self._table, self._work, self._n_jobs = table, work, n_jobs
        self._rows: list[Scored] = []
        self._part: Path | None = None
        """What the part holds that is being filled, and where it is."""
        self._unwritten = False
        self._prepared = False
        self._written = self._read = time.monotonic()

    def __enter__(self) -> "LiveTable":
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared:
            self._write()
            self._table.merge()

    def compute(self, arch_index: Sequence[int]) -> Iterator[list[Scored]]:
        """Compute scores; yield them as they come, in any order.

        Raises:
            OSError: the table cannot be written to, which is found out first.
            InputError: the device is not there, or the metric's parameters are wrong.
        """
        self.prepare()
        for chunk in compute(self._work, arch_index, n_jobs=self._n_jobs):
            self.keep(chunk)
            yield chunk

    def prepare(self) -> None:
        """Find out whether the table can be written to, before anything is computed for it.

        Raises:
            OSError: it cannot.
        """
        if not self._prepared:
            self._table.prepare()
            self._prepared = True

    def keep(self, scored: Sequence[Scored]) -> None:
        """Take in scores that were computed, for the next time that the table is written."""
        if scored:
            self._rows += scored
            self._unwritten = True
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._write()

    def read(self) -> Scores | None:
        """Read what the table holds by now, others' scores included; None if it was read a moment ago."""
        if time.monotonic() - self._read < _SECONDS_BETWEEN_READS:
            return None
        scores = self._table.read()
        self._read = time.monotonic()
        return scores

    def _write(self) -> None:
        if self._unwritten:
            self._part = self._table.add(
                [row.arch_index for row in self._rows],
                [row.score for row in self._rows],
                [row.seconds for row in self._rows],
                instead_of=self._part,
            )
            self._unwritten = False
            if len(self._rows) >= _ROWS_A_PART:
                self._rows, self._part = [], None
        self._written = time.monotonic()
