"""One seeded search, and what its incumbent is worth once trained."""

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp.algos import Score, Trajectory
from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import Benchmark
from nas_exp.scoring.scorer import Scorer
from nas_exp.search.budget import Budget, BudgetSpentError
from nas_exp.spaces.space import Space


@dataclass(frozen=True)
class Outcome:
    """What a finished search comes to."""

    arch_index: int
    """The architecture that it returns; -1 if nothing had a finite score."""
    score: float
    """Of that architecture; -inf if there is none."""
    rank: tuple[int, float]
    """The stage that gave the score, and that: the better of two runs has the higher rank."""
    val_acc: float
    """Fully trained, percent; NaN where the benchmark has none."""
    test_acc: float
    """Likewise."""
    cost: float
    """Seconds that the whole search took: its scores and its own time."""
    steps: int
    """How many architectures were scored."""


@dataclass(frozen=True)
class Run:
    """One finished search. All arrays have shape (steps,): one entry for each architecture, in the order scored."""

    trajectory: Trajectory
    best_arch_index: npt.NDArray[np.int64]
    """The incumbent; -1 while nothing had a finite score."""
    val_acc: FloatArray
    """Of the incumbent, fully trained, percent; NaN where the benchmark has none."""
    test_acc: FloatArray
    """Likewise."""
    seconds: FloatArray
    """The time that the scores up to and with this step took."""
    own_seconds: float
    """The time of the search without its scores."""

    @property
    def best_score(self) -> float:
        """Score of the architecture that the search returns; -inf when none had a finite score."""
        last = self._best_step
        return float(self.trajectory.score[last]) if last >= 0 else -math.inf

    @property
    def outcome(self) -> Outcome:
        """What is kept of the run when its trajectory is written."""
        stage, last, score = self.trajectory.stage, self._best_step, self.best_score
        return Outcome(
            int(self.best_arch_index[-1]),
            score,
            (0 if stage is None or last < 0 else int(stage[last]), score),
            float(self.val_acc[-1]),
            float(self.test_acc[-1]),
            self.cost,
            len(self.best_arch_index),
        )

    @functools.cached_property
    def _best_step(self) -> int:
        return int(self.trajectory.incumbent()[-1])

    @property
    def cost(self) -> float:
        """Seconds that the whole search took: its scores and its own time."""
        return float(self.seconds[-1]) + self.own_seconds


def run_search(
    search: Callable[..., Trajectory],
    space: Space,
    scorer: Scorer,
    benchmark: Benchmark,
    *,
    seed: np.random.SeedSequence,
    arguments: Mapping[str, Any],
    others: Mapping[str, Scorer] | None = None,
    seconds: float | None = None,
) -> Run:
    """Run one search and look up what its incumbents are worth.

    Args:
        search: the algorithm, ``search(score, space, rng, **arguments)``.
        space: where to search.
        scorer: gives the scores of the main metric and what they cost.
        benchmark: gives trained accuracies.
        seed: of everything that the algorithm draws.
        arguments: the algorithm's hyper-parameters.
        others: give the scores of the algorithm's further metrics, by its parameters.
        seconds: what all scores may take together: the search ends before the first that goes beyond; None: no limit.

    Raises:
        InputError: `seconds` is not enough for one score, or nothing says what a score took.
    """
    scorers = {name: each.for_search() for name, each in {"score": scorer, **(others or {})}.items()}
    start, computing = time.perf_counter(), _computing_seconds(scorers)
    trajectory = _search(search, space, scorers, seed=seed, arguments=arguments, seconds=seconds)
    own_seconds = time.perf_counter() - start - (_computing_seconds(scorers) - computing)
    position = trajectory.incumbent({name: each.incumbents for name, each in scorers.items()})
    best_arch_index = np.where(position >= 0, trajectory.arch_index[position], -1)
    return Run(
        trajectory,
        best_arch_index,
        benchmark.of("val_acc", best_arch_index),
        benchmark.of("test_acc", best_arch_index),
        np.nancumsum(_seconds(trajectory, scorers)),
        own_seconds,
    )


def _search(
    search: Callable[..., Trajectory],
    space: Space,
    scorers: Mapping[str, Scorer],
    *,
    seed: np.random.SeedSequence,
    arguments: Mapping[str, Any],
    seconds: float | None,
) -> Trajectory:
    budget = Budget(scorers, math.inf if seconds is None else seconds)
    scores: dict[str, Score] = dict(scorers) if seconds is None else {name: budget.score(name) for name in scorers}
    try:
        return search(scores.pop("score"), space, np.random.default_rng(seed), **scores, **arguments)
    except BudgetSpentError:
        return budget.trajectory()


def _computing_seconds(scorers: Mapping[str, Scorer]) -> float:
    return sum(scorer.computing_seconds for scorer in scorers.values())


def _seconds(trajectory: Trajectory, scorers: Mapping[str, Scorer]) -> FloatArray:
    """Return the seconds that the score of each step took."""
    by_stage = [scorers[stage].seconds(trajectory.arch_index) for stage in trajectory.stages]
    return by_stage[0] if trajectory.stage is None else np.choose(trajectory.stage, by_stage)
