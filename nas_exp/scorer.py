"""Scores for a search: from a table, computed on demand where the table has none."""

import contextlib
import dataclasses
import inspect
import logging
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nas_exp import costs
from nas_exp.arguments import find, keywords
from nas_exp.config import Config
from nas_exp.errors import InputError
from nas_exp.live_table import LiveTable
from nas_exp.score_table import Scores
from nas_exp.scoring import plan

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 10.0


class Scorer:
    """The `Score` that a search is given. Architectures without a score are computed, once, and added to the table."""

    def __init__(self, scores: Scores, live: LiveTable | None = None) -> None:
        """Start from what is known.

        Args:
            scores: the known part.
            live: computes and keeps the rest; None: there is no way.
        """
        self._values: list[float | None] = [None] * len(scores.known)
        self.seconds: npt.NDArray[np.float64] = np.full(len(scores.known), np.nan)
        self._learn(scores)
        self._live = live
        self.computed = 0
        self.computing_seconds = 0.0
        self._reported = time.monotonic()

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        """Return the scores of architectures, in order.

        Raises:
            InputError: a score is missing and cannot be computed.
        """
        values = [self._values[arch] for arch in arch_index]
        if None in values:
            self._find(arch_index)
            values = [self._values[arch] for arch in arch_index]
        return values  # type: ignore[return-value]

    def _find(self, arch_index: Sequence[int]) -> None:
        start = time.perf_counter()
        if self._live is None:
            raise InputError(
                "dataset.root=null: the score table lacks some architectures and its metric needs images; "
                "expected the folder that holds them"
            )
        if (scores := self._live.read()) is not None:
            self._learn(scores)
        missing = sorted({arch for arch in arch_index if self._values[arch] is None})
        for chunk in self._live.compute(missing):
            for scored in chunk:
                self._values[scored.arch_index] = scored.score
                self.seconds[scored.arch_index] = scored.seconds
            self.computed += len(chunk)
            self._report(start)
        self.computing_seconds += time.perf_counter() - start

    def _learn(self, scores: Scores) -> None:
        for arch in np.flatnonzero(scores.known).tolist():
            self._values[arch] = float(scores.score[arch])
        self.seconds[scores.known] = scores.seconds[scores.known]

    def _report(self, start: float) -> None:
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            rate = self.computed / (self.computing_seconds + time.perf_counter() - start)
            log.info("%d scores computed on demand, %.1f networks/s", self.computed, rate)


@contextlib.contextmanager
def open_scorer(config: Config) -> Iterator[Scorer]:
    """Yield the scorer that a configuration means; what it computes is kept when the block ends, however it ends.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    if config.metric.input == "benchmark":
        scores = known_scores(config)
        # what was never trained cannot be scored: NaN, which never wins
        yield Scorer(dataclasses.replace(scores, known=np.ones_like(scores.known)))
        return
    table, work = plan(config)
    scores = table.read()
    if work is None:
        yield Scorer(scores)
        return
    if not scores.known.all():
        log.info(
            "the score table of %s lacks %d of %d architectures; those that the search meets are computed on demand "
            "(task=score fills the table in n_jobs processes%s)",
            config.metric.name,
            np.count_nonzero(~scores.known),
            len(scores.known),
            f"; {config.metric.key}.seed=0 uses the scores of that seed" if config.metric.seed else "",
        )
    with LiveTable(table, work, n_jobs=config.n_jobs) as live:
        yield Scorer(scores, live)


def known_scores(config: Config) -> Scores:
    """Return what is known of the configured metric over the space; nothing is computed.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    metric = config.metric
    if metric.input == "benchmark":
        function = find(metric.target, f"{metric.key}._target_")
        arguments = keywords(function, metric.arguments, metric.key)
        if "benchmark" not in inspect.signature(function).parameters:
            raise InputError(
                f"{metric.key}.input=benchmark: {metric.target} does not read a benchmark; expected ones or images"
            )
        score, seconds = function(config.benchmark.load(config.dataset.name), **arguments)
        return Scores(np.isfinite(score), score, seconds)
    return plan(config)[0].read()


def lacking(config: Config) -> str | None:
    """Return what the configured benchmark lacks for the configured metrics and cost; None if nothing."""
    try:
        for part in config.of_scores().values():
            if part.metric.input == "benchmark":
                known_scores(part)
        if config.algo.cost is not None:
            costs.load(config)
    except InputError as error:
        return str(error)
    return None
