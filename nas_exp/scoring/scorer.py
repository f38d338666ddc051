"""Scores for a search: known ones at once, others computed on demand."""

import itertools
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas_exp.algos import first_best
from nas_exp.arrays import FloatArray, IntArray
from nas_exp.errors import InputError
from nas_exp.scoring.filling import Filling
from nas_exp.scoring.rules import Ranked, Rule, RunningRanks, combine
from nas_exp.scoring.table import Scores

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_REPORTS = 10.0


class Scorer(ABC):
    """The `Score` that a search is given, and what its scores take."""

    computed = 0
    """How many scores were computed."""
    computing_seconds = 0.0
    """The time that this took."""

    @abstractmethod
    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        """Return the scores of architectures, in order.

        Raises:
            InputError: a score is missing and cannot be computed.
        """

    @abstractmethod
    def seconds(self, arch_index: npt.ArrayLike) -> FloatArray:
        """Return the seconds that known scores took, NaN for the others; `arch_index` has shape (n,)."""

    def price(self, arch_index: Sequence[int]) -> FloatArray:
        """Return the seconds that the scores of architectures take, without giving them; NaN where not known.

        Raises:
            InputError: a score is missing and cannot be computed.
        """
        return self.seconds(arch_index)

    def for_search(self) -> "Scorer":
        """Return the scorer of one search: this one, if its scores do not depend on what else was scored."""
        return self

    def incumbents(self, arch_index: IntArray, score: FloatArray) -> IntArray:
        """Return, for each step of a search, the step of the best-scored so far; -1 without any.

        Args:
            arch_index: the architectures in the order scored, shape (steps,).
            score: the score of each at the end of the search.
        """
        return first_best(score)


def table_scorer(scores: Scores, size: int, filling: Filling | None = None, *, unknown: float | None = None) -> Scorer:
    """Return a scorer of known scores: a plain one if they are all there are; arguments as of `TableScorer`."""
    if len(scores.arch_index) == size:
        return CompleteScorer(scores)
    return TableScorer(scores, size, filling, unknown=unknown)


class CompleteScorer(Scorer):
    """A scorer that knows the score of every architecture of a space."""

    def __init__(self, scores: Scores) -> None:
        """Take the scores; entry i is about architecture i."""
        self._values: list[float] = scores.score.tolist()
        self._seconds = scores.seconds

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        return [self._values[arch] for arch in arch_index]

    def seconds(self, arch_index: npt.ArrayLike) -> FloatArray:
        return self._seconds[np.asarray(arch_index, dtype=np.int64)]


class TableScorer(Scorer):
    """A scorer that starts from some known scores. What is missing is computed, once, and added to a table."""

    def __init__(
        self, scores: Scores, size: int, filling: Filling | None = None, *, unknown: float | None = None
    ) -> None:
        """Start from what is known.

        Args:
            scores: the known part.
            size: the number of architectures of the space.
            filling: computes and keeps the rest; None: it cannot be computed.
            unknown: the score of architectures without one; None: they are computed.
        """
        self._values: dict[int, float] = {}
        self._seconds: dict[int, float] = {}
        self._learn(scores)
        self._size, self._filling, self._unknown = size, filling, unknown
        self._reported = time.monotonic()

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        try:
            return [self._values[arch] for arch in arch_index]
        except KeyError:
            self._find(arch_index)
            return [self._values[arch] for arch in arch_index]

    def price(self, arch_index: Sequence[int]) -> FloatArray:
        self._find(arch_index)
        return self.seconds(arch_index)

    def seconds(self, arch_index: npt.ArrayLike) -> FloatArray:
        archs = np.asarray(arch_index, dtype=np.int64).tolist()
        return np.fromiter(map(self._seconds.get, archs, itertools.repeat(math.nan)), dtype=np.float64)

    def _find(self, arch_index: Sequence[int]) -> None:
        missing = sorted({arch for arch in arch_index if arch not in self._values})
        if missing and self._unknown is not None:
            self._values.update(dict.fromkeys(missing, self._unknown))
        elif missing:
            self._compute(missing)

    def _compute(self, missing: Sequence[int]) -> None:
        start = time.perf_counter()
        if self._filling is None:
            raise InputError(
                f"dataset.root=null: there are {len(self._values):,} scores of {self._size:,} architectures, and the "
                "metric needs images for more; expected the folder that holds them"
            )
        if (scores := self._filling.read()) is not None:
            self._learn(scores)
        for rows in self._filling.compute([arch for arch in missing if arch not in self._values]):
            for row in rows:
                self._values[row.arch_index] = row.score
                self._seconds[row.arch_index] = row.seconds
            self.computed += len(rows)
            self._report(start)
        self.computing_seconds += time.perf_counter() - start

    def _learn(self, scores: Scores) -> None:
        archs = scores.arch_index.tolist()
        self._values.update(zip(archs, scores.score.tolist(), strict=True))
        self._seconds.update(zip(archs, scores.seconds.tolist(), strict=True))

    def _report(self, start: float) -> None:
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            rate = self.computed / (self.computing_seconds + time.perf_counter() - start)
            log.info("%d scores computed on demand, %.1f networks/s", self.computed, rate)


class EnsembleScorer(Scorer):
    """A scorer that makes one score of several.

    By rules that compare architectures it returns `Ranked` scores, which change as the search goes on, so that the
    search always goes by the ranks among all that it has scored. Converted to numbers, as in its trajectory, they have
    their value at that moment. An architecture without a finite score of each member gets NaN.
    """

    def __init__(self, members: Sequence[Scorer], rule: Rule) -> None:
        """Start a search.

        Args:
            members: give the scores.
            rule: how they become one.
        """
        self._members, self._rule = members, rule
        self._ranks = RunningRanks(rule, len(members))
        self._found: dict[int, float] = {}

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        by_member = np.asarray([member(arch_index) for member in self._members], dtype=np.float64)
        if not self._rule.is_relative:
            return combine(self._rule, by_member).tolist()
        for arch, values in zip(arch_index, by_member.T, strict=True):
            if arch not in self._found:
                self._found[arch] = self._rank(values)
        return [self._found[arch] for arch in arch_index]

    def _rank(self, values: FloatArray) -> float:
        if not np.isfinite(values).all():
            return math.nan
        # a search compares it as it compares numbers
        return Ranked(self._ranks, self._ranks.add(values.tolist()))  # type: ignore[return-value]

    def price(self, arch_index: Sequence[int]) -> FloatArray:
        """See `Scorer.price`: the sum over all members. Nothing is ranked by it."""
        return np.asarray(np.sum([member.price(arch_index) for member in self._members], axis=0))

    def seconds(self, arch_index: npt.ArrayLike) -> FloatArray:
        """See `Scorer.seconds`: the sum over all members."""
        return np.asarray(np.sum([member.seconds(arch_index) for member in self._members], axis=0))

    @property
    def computed(self) -> int:  # type: ignore[override]
        """The sum over all members."""
        return sum(member.computed for member in self._members)

    @property
    def computing_seconds(self) -> float:  # type: ignore[override]
        """The sum over all members."""
        return sum(member.computing_seconds for member in self._members)

    def for_search(self) -> "EnsembleScorer":
        """Return one that has scored nothing yet."""
        return EnsembleScorer([member.for_search() for member in self._members], self._rule)

    def incumbents(self, arch_index: IntArray, score: FloatArray) -> IntArray:
        """See `Scorer.incumbents`; by rules that compare, the best is that by the ranks of the moment."""
        if not self._rule.is_relative:
            return first_best(score)
        again, met = EnsembleScorer(self._members, self._rule), set[int]()
        steps, best = list[int](), -1
        found = np.full(len(arch_index), -1)
        for step, arch in enumerate(arch_index.tolist()):
            if arch not in met:
                met.add(arch)
                (value,) = again([arch])
                if math.isfinite(value):
                    steps.append(step)
                    best = steps[int(np.argmax(again._ranks.scores))]
            found[step] = best
        return found
