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
from nas_exp.scoring.scorer import AnyScorer
from nas_exp.search.budget import BudgetSpentError, Meter
from nas_exp.spaces.topology import TopologySpace

_SPACE = TopologySpace()  # one for all searches of a process, since it keeps its table of neighbours


@dataclass(frozen=True)
class Run:
    """One finished search. All arrays have shape (steps,): one entry for each architecture, in the order scored."""

    trajectory: Trajectory
    best_arch_index: npt.NDArray[np.int64]
    """The incumbent; -1 while nothing had a finite score."""
    val_acc: FloatArray
    """Of the incumbent after 200 epochs, percent; NaN where the benchmark has none."""
    test_acc: FloatArray
    """Likewise."""
    seconds: FloatArray
    """What the scores up to and with this step took."""
    own_seconds: float
    """What the search took beside its scores."""

    @property
    def best_score(self) -> float:
        """Score of the architecture that the search returns; -inf when none had a finite score."""
        last = self._best_step
        return float(self.trajectory.score[last]) if last >= 0 else -math.inf

    @property
    def rank(self) -> tuple[int, float]:
        """What tells the better of two runs: the stage that gave `best_score`, and that."""
        stage, last = self.trajectory.stage, self._best_step
        return (0 if stage is None or last < 0 else int(stage[last])), self.best_score

    @functools.cached_property
    def _best_step(self) -> int:
        return int(self.trajectory.incumbent()[-1])

    @property
    def cost(self) -> float:
        """Seconds that the whole search took: its scores and its own time."""
        return float(self.seconds[-1]) + self.own_seconds


def run_search(
    search: Callable[..., Trajectory],
    scorer: AnyScorer,
    benchmark: Benchmark,
    seed: np.random.SeedSequence,
    arguments: Mapping[str, Any],
    *,
    others: Mapping[str, AnyScorer] | None = None,
    seconds: float | None = None,
) -> Run:
    """Run one search and look up what its incumbents are worth.

    Args:
        search: the algorithm, ``search(score, space, rng, **arguments)``.
        scorer: gives the scores of the main metric and what they cost.
        benchmark: gives trained accuracies.
        seed: of everything that the algorithm draws.
        arguments: the algorithm's hyper-parameters.
        others: give the scores of the algorithm's further metrics, by its parameters.
        seconds: what all scores may take together: the search ends before the first that goes beyond; None: any.

    Raises:
        InputError: `seconds` is not enough for one score, or nothing says what a score took.
    """
    scorers = {name: each.for_search() for name, each in {"score": scorer, **(others or {})}.items()}
    start, computing = time.perf_counter(), _computing_seconds(scorers)
    trajectory = _search(search, scorers, seed, arguments, seconds)
    own_seconds = time.perf_counter() - start - (_computing_seconds(scorers) - computing)
    position = trajectory.incumbent({name: each.incumbents for name, each in scorers.items()})
    best_arch_index = np.where(position >= 0, trajectory.arch_index[position], -1)
    return Run(
        trajectory,
        best_arch_index,
        np.where(position >= 0, benchmark.val_acc_200[best_arch_index], np.nan),
        np.where(position >= 0, benchmark.test_acc_200[best_arch_index], np.nan),
        np.nancumsum(_seconds(trajectory, scorers)),
        own_seconds,
    )


def _search(
    search: Callable[..., Trajectory],
    scorers: Mapping[str, AnyScorer],
    seed: np.random.SeedSequence,
    arguments: Mapping[str, Any],
    seconds: float | None,
) -> Trajectory:
    meter = Meter(scorers, math.inf if seconds is None else seconds)
    scores: dict[str, Score] = dict(scorers) if seconds is None else {name: meter.score(name) for name in scorers}
    try:
        return search(scores.pop("score"), _SPACE, np.random.default_rng(seed), **scores, **arguments)
    except BudgetSpentError:
        return meter.trajectory()


def _computing_seconds(scorers: Mapping[str, AnyScorer]) -> float:
    return sum(scorer.computing_seconds for scorer in scorers.values())


def _seconds(trajectory: Trajectory, scorers: Mapping[str, AnyScorer]) -> FloatArray:
    """Return what the score of each step took."""
    by_stage = [scorers[stage].seconds[trajectory.arch_index] for stage in trajectory.stages]
    return by_stage[0] if trajectory.stage is None else np.choose(trajectory.stage, by_stage)
