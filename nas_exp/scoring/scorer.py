"""Scores for a search: from a table, computed on demand where the table has none."""

import contextlib
import dataclasses
import inspect
import logging
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nas_exp.algos import first_best
from nas_exp.config.check import Config
from nas_exp.config.signatures import find, keywords
from nas_exp.errors import InputError
from nas_exp.scoring.filling import LiveTable
from nas_exp.scoring.plan import plan, stands_for_several
from nas_exp.scoring.rules import Rule, Standing, Standings, combine, rule_of
from nas_exp.scoring.table import Scores
from nas_exp.search import costs

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
            self.price(arch_index)
            values = [self._values[arch] for arch in arch_index]
        return values  # type: ignore[return-value]

    def for_search(self) -> "Scorer":
        """Return the scorer of one search: this one, since what it gives depends on nothing else that was scored."""
        return self

    def incumbents(self, arch_index: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return, for each step of a search, the step of the best-scored so far, as `algos.first_best` does."""
        return first_best(score)

    def price(self, arch_index: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return what the scores of architectures take, seconds, without giving them; NaN where nothing says.

        Raises:
            InputError: a score is missing and cannot be computed.
        """
        if missing := sorted({arch for arch in arch_index if self._values[arch] is None}):
            self._compute(missing)
        return self.seconds[np.asarray(arch_index, dtype=np.int64)]

    def _compute(self, missing: Sequence[int]) -> None:
        start = time.perf_counter()
        if self._live is None:
            known = len(self._values) - self._values.count(None)
            raise InputError(
                f"dataset.root=null: there are {known:,} scores of {len(self._values):,} architectures, and the metric "
                "needs images for more; expected the folder that holds them"
            )
        if (scores := self._live.read()) is not None:
            self._learn(scores)
        for chunk in self._live.compute([arch for arch in missing if self._values[arch] is None]):
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


class AggregateScorer:
    """A `Scorer` that makes one score of several.

    By rules that compare architectures, what it returns are not numbers but `Standing`s, which change as the search
    goes on, so that the search always goes by ranks among all that it has scored; turned into numbers, as in its
    trajectory, they are what they have come to by then. An architecture that a member has no finite score for gets NaN.
    """

    def __init__(self, members: "Sequence[AnyScorer]", rule: Rule) -> None:
        """Start a search.

        Args:
            members: give the scores.
            rule: how they become one.
        """
        self._members, self._rule = members, rule
        self._standings = Standings(rule, len(members))
        self._found: dict[int, float] = {}

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        """Return the scores of architectures, in order.

        Raises:
            InputError: a score is missing and cannot be computed.
        """
        by_member = np.asarray([member(arch_index) for member in self._members], dtype=np.float64)
        if not self._rule.is_relative:
            return combine(self._rule, by_member).tolist()
        for arch, values in zip(arch_index, by_member.T, strict=True):
            if arch not in self._found:
                self._found[arch] = self._take_in(self._standings, values)
        return [self._found[arch] for arch in arch_index]

    def price(self, arch_index: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return what the scores of all members take, as `Scorer.price` does; nothing is ranked by that."""
        return np.asarray(np.sum([member.price(arch_index) for member in self._members], axis=0))

    @staticmethod
    def _take_in(standings: Standings, values: npt.NDArray[np.float64]) -> float:
        if not np.isfinite(values).all():
            return math.nan
        # to a search it is as good as a number
        return Standing(standings, standings.add(values.tolist()))  # type: ignore[return-value]

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """What each architecture's scores took together, shape (15625,); NaN where not known."""
        return np.asarray(np.sum([member.seconds for member in self._members], axis=0))

    @property
    def computed(self) -> int:
        """How many scores were computed."""
        return sum(member.computed for member in self._members)

    @property
    def computing_seconds(self) -> float:
        """What that took."""
        return sum(member.computing_seconds for member in self._members)

    def for_search(self) -> "AggregateScorer":
        """Return one that has scored nothing yet."""
        return AggregateScorer([member.for_search() for member in self._members], self._rule)

    def incumbents(self, arch_index: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return, for each step of a search, the step of the best by what was scored up to then; -1 without any.

        Args:
            arch_index: what was scored, shape (steps,).
            score: what each came to in the end.
        """
        if not self._rule.is_relative:
            return first_best(score)
        again, met = AggregateScorer(self._members, self._rule), set[int]()
        steps, best = list[int](), -1
        found = np.full(len(arch_index), -1)
        for step, arch in enumerate(arch_index.tolist()):
            if arch not in met:
                met.add(arch)
                (value,) = again([arch])
                if math.isfinite(value):
                    steps.append(step)
                    best = steps[int(np.argmax(again._standings.scores))]
            found[step] = best
        return found


AnyScorer = Scorer | AggregateScorer


@contextlib.contextmanager
def open_scorer(config: Config) -> Iterator[AnyScorer]:
    """Yield the scorer that a configuration means; what it computes is kept when the block ends, however it ends.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    if config.metric.members:
        rule = _rule(config)
        with contextlib.ExitStack() as stack:
            yield AggregateScorer([stack.enter_context(open_scorer(part)) for part in config.of_members()], rule)
        return
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

    Of a metric that stands for others, that is what is known of all of them, ranked among each other.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    metric = config.metric
    if metric.members:
        rule, parts = _rule(config), [known_scores(part) for part in config.of_members()]
        known = np.all([part.known for part in parts], axis=0)
        score = np.full(len(known), np.nan)
        score[known] = combine(rule, np.asarray([part.score[known] for part in parts]))
        return Scores(known, score, np.sum([part.seconds for part in parts], axis=0))
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


def _rule(config: Config) -> Rule:
    metric = config.metric
    if metric.rule is None:
        raise stands_for_several(metric)
    return rule_of(metric.rule)


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
