"""One seeded search, and what its incumbent is worth once trained."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp.algos import Trajectory
from nas_exp.benchmarks import Benchmark
from nas_exp.scorer import Scorer
from nas_exp.space import TopologySpace

_SPACE = TopologySpace()  # one for all searches of a process, since it keeps its table of neighbours

FloatArray = npt.NDArray[np.float64]


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
        finite = self.trajectory.score[np.isfinite(self.trajectory.score)]
        return float(finite.max()) if len(finite) else -math.inf

    @property
    def cost(self) -> float:
        """Seconds that the whole search took: its scores and its own time."""
        return float(self.seconds[-1]) + self.own_seconds


def run_search(
    search: Callable[..., Trajectory],
    scorer: Scorer,
    benchmark: Benchmark,
    seed: np.random.SeedSequence,
    arguments: Mapping[str, Any],
) -> Run:
    """Run one search and look up what its incumbents are worth.

    Args:
        search: the algorithm, ``search(score, space, rng, **arguments)``.
        scorer: gives scores and what they cost.
        benchmark: gives trained accuracies.
        seed: of everything that the algorithm draws.
        arguments: the algorithm's hyper-parameters.
    """
    start, computing = time.perf_counter(), scorer.computing_seconds
    trajectory = search(scorer, _SPACE, np.random.default_rng(seed), **arguments)
    own_seconds = time.perf_counter() - start - (scorer.computing_seconds - computing)
    position = trajectory.incumbent()
    best_arch_index = np.where(position >= 0, trajectory.arch_index[position], -1)
    return Run(
        trajectory,
        best_arch_index,
        np.where(position >= 0, benchmark.val_acc_200[best_arch_index], np.nan),
        np.where(position >= 0, benchmark.test_acc_200[best_arch_index], np.nan),
        np.nancumsum(scorer.seconds[trajectory.arch_index]),
        own_seconds,
    )
