"""Score tables while they are filled."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_exp.scoring.compute import compute
from nas_exp.scoring.table import Row, Scores, ScoreTable

_SECONDS_BETWEEN_WRITES = 3.0  # what a kill may cost, against files that are too small
_ROWS_A_PART = 4096  # so many scores are written again with every write, so that a process has few parts
_SECONDS_BETWEEN_READS = 3.0  # other processes may fill the same table


class Filling:
    """Keeps the scores that are computed for a table: every few seconds, and when the block ends, however it ends."""

    def __init__(self, table: ScoreTable, *, n_jobs: int) -> None:
        """Get ready; nothing is computed or written yet.

        Args:
            table: where scores are kept; it has a recipe.
            n_jobs: processes that compute.
        """
        self.table, self._n_jobs = table, n_jobs
        self._rows: list[Row] = []
        self._part: Path | None = None
        """The rows of the part that is being filled, and where it is."""
        self._unwritten = False
        self._prepared = False
        self._written = self._read = time.monotonic()

    def __enter__(self) -> "Filling":
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared:
            self._write()
            self.table.merge()

    def compute(self, arch_index: Sequence[int]) -> Iterator[list[Row]]:
        """Compute scores; yield them as they come, in any order.

        Raises:
            OSError: the table cannot be written to, which is found out first.
            InputError: the device is not there, or the metric's parameters are wrong.
        """
        return (rows for (rows,) in fill([self], [arch_index], n_jobs=self._n_jobs))

    def prepare(self) -> None:
        """Find out whether the table can be written to, before anything is computed for it.

        Raises:
            OSError: it cannot.
        """
        if not self._prepared:
            self.table.prepare()
            self._prepared = True

    def keep(self, rows: Sequence[Row]) -> None:
        """Take in scores that were computed, for the next time that the table is written."""
        if rows:
            self._rows += rows
            self._unwritten = True
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._write()

    def read(self) -> Scores | None:
        """Read the table, with the scores of other processes; None if it was read a moment ago."""
        if time.monotonic() - self._read < _SECONDS_BETWEEN_READS:
            return None
        scores = self.table.read()
        self._read = time.monotonic()
        return scores

    def _write(self) -> None:
        if self._unwritten:
            self._part = self.table.add(self._rows, instead_of=self._part)
            self._unwritten = False
            if len(self._rows) >= _ROWS_A_PART:
                self._rows, self._part = [], None
        self._written = time.monotonic()


def fill(fillings: Sequence[Filling], arch_index: Sequence[Sequence[int]], *, n_jobs: int) -> Iterator[list[list[Row]]]:
    """Compute scores for several tables at once and keep them; yield a list of rows for each table, as they come.

    Args:
        fillings: of the tables.
        arch_index: for each table, the architectures to score.
        n_jobs: processes.

    Raises:
        OSError: a table cannot be written to, which is found out first.
        InputError: the device is not there, or a metric's parameters are wrong.
    """
    wanted = []
    for filling, archs in zip(fillings, arch_index, strict=True):
        filling.prepare()
        assert filling.table.recipe is not None
        wanted.append((filling.table.recipe, archs))
    for chunk in compute(wanted, n_jobs=n_jobs):
        for filling, rows in zip(fillings, chunk, strict=True):
            filling.keep(rows)
        yield chunk
