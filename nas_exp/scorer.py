"""Scores for a search: from a table, computed on demand where the table has none."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nas_exp.arguments import find
from nas_exp.benchmarks import Benchmark
from nas_exp.config import Config
from nas_exp.errors import InputError
from nas_exp.scores import Scores, ScoreTable
from nas_exp.scoring import Work, compute, table_and_work

_SECONDS_BETWEEN_WRITES = 3.0  # what a kill may cost, against files that are too small


class TableWriter:
    """Collects computed scores and writes them as parts, every few seconds and at the end, whatever ends it."""

    def __init__(self, table: ScoreTable) -> None:
        self._table = table
        self._rows: list[tuple[int, float, float]] = []
        self._written = time.monotonic()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._table.merge()

    def add(self, arch_index: int, score: float, seconds: float) -> None:
        """Take one result."""
        self._rows.append((arch_index, score, seconds))
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        if self._rows:
            self._table.add(*zip(*self._rows, strict=True))
            self._rows = []
        self._written = time.monotonic()


class Scorer:
    """The `Score` that a search is given. Architectures without a score are computed, once, and added to the table."""

    def __init__(
        self, scores: Scores, work: Work | None = None, writer: TableWriter | None = None, *, n_jobs: int = 1
    ) -> None:
        """Start from what is known.

        Args:
            scores: the known part.
            work: how to compute the rest; None: there is no way.
            writer: where to keep what is computed.
            n_jobs: processes for computing many at once.
        """
        self._values: list[float | None] = [
            score if known else None for score, known in zip(scores.score.tolist(), scores.known.tolist(), strict=True)
        ]
        self.seconds: npt.NDArray[np.float64] = scores.seconds.copy()
        self.computed = 0
        self.computing_seconds = 0.0
        self._work, self._writer, self._n_jobs = work, writer, n_jobs

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        """Return the scores of architectures, in order.

        Raises:
            InputError: a score is missing and cannot be computed.
        """
        values = [self._values[arch] for arch in arch_index]
        if None in values:
            self._compute(sorted({arch for arch in arch_index if self._values[arch] is None}))
            values = [self._values[arch] for arch in arch_index]
        return values  # type: ignore[return-value]

    def _compute(self, missing: list[int]) -> None:
        if self._work is None:
            raise InputError(
                f"dataset.root=null: the score table lacks architecture {missing[0]} and its metric needs images; "
                "expected the folder that holds them"
            )
        start = time.perf_counter()
        for chunk in compute(self._work, missing, n_jobs=self._n_jobs):
            for scored in chunk:
                self._values[scored.arch_index] = scored.score
                self.seconds[scored.arch_index] = scored.seconds
                if self._writer is not None:
                    self._writer.add(scored.arch_index, scored.score, scored.seconds)
        self.computed += len(missing)
        self.computing_seconds += time.perf_counter() - start


@contextlib.contextmanager
def open_scorer(config: Config, benchmark: Benchmark) -> Iterator[Scorer]:
    """Yield the scorer that a configuration means; what it computes is kept when the block ends, however it ends.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    if config.metric.input == "benchmark":
        scores = known_scores(config, benchmark)
        # what was never trained cannot be scored: NaN, which never wins
        yield Scorer(dataclasses.replace(scores, known=np.ones_like(scores.known)))
        return
    table, work = table_and_work(config)
    with TableWriter(table) as writer:
        yield Scorer(table.read(), work, writer, n_jobs=config.n_jobs)


def known_scores(config: Config, benchmark: Benchmark) -> Scores:
    """Return what is known of the configured metric over the space; nothing is computed.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    if config.metric.input == "benchmark":
        score, seconds = find(config.metric.target, "metric._target_")(benchmark)
        return Scores(np.isfinite(score), score, seconds)
    return table_and_work(config)[0].read()
