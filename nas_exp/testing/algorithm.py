"""Checks of an algorithm."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp.algos import Trajectory
from nas_exp.arrays import FloatArray
from nas_exp.scoring.scorer import Scorer
from nas_exp.search.budget import Budget, BudgetSpentError
from nas_exp.spaces.space import Space
from nas_exp.spaces.topology import TopologySpace


class MadeUpScores(Scorer):
    """A cheap, fixed score of every architecture, some of them NaN; each takes a second. It counts what it gives."""

    def __init__(self, seed: int = 0) -> None:
        """Start with nothing asked for."""
        self._seed = seed
        self.asked: list[int] = []

    def __call__(self, arch_index: Sequence[int]) -> Sequence[float]:
        """Return the scores of architectures."""
        self.asked += [int(arch) for arch in arch_index]
        return [self._of(int(arch)) for arch in arch_index]

    def _of(self, arch: int) -> float:
        value = np.random.default_rng([self._seed, arch]).standard_normal()
        return math.nan if value < -1 else float(value)

    def seconds(self, arch_index: npt.ArrayLike) -> FloatArray:
        """Return a second for each."""
        return np.ones(len(np.asarray(arch_index)))


def check_algorithm(
    search: Callable[..., Trajectory], *, space: Space | None = None, others: Sequence[str] = (), **arguments: Any
) -> None:
    """Check that an algorithm is a function of its random generator, and returns what it scored, in order.

    Args:
        search: the function, ``search(score, space, rng, **arguments)``.
        space: by default the topology space.
        others: its parameters that are scores of further metrics.
        arguments: its hyper-parameters; a budget ``N`` of some dozens is enough.

    Raises:
        AssertionError: the algorithm has a fault.
    """
    space = space or TopologySpace(C=4, N=1)

    def run(seed: int, seconds: float = math.inf) -> tuple[Trajectory, list[int]]:
        scorers = {name: MadeUpScores(number) for number, name in enumerate(("score", *others))}
        budget = Budget(scorers, seconds)
        scores = {name: budget.score(name) for name in scorers}
        try:
            found = search(scores.pop("score"), space, np.random.default_rng(seed), **scores, **arguments)
        except BudgetSpentError:
            found = budget.trajectory()
        return found, [arch for scorer in scorers.values() for arch in scorer.asked]

    first, asked = run(0)
    again, other = run(0)[0], run(1)[0]
    steps = len(first.arch_index)
    assert steps > 0, "the trajectory is empty"
    assert first.score.shape == (steps,), f"{steps} architectures, and scores of the shape {first.score.shape}"
    assert np.array_equal(first.arch_index, again.arch_index), "two searches of one seed differ"
    assert not np.array_equal(first.arch_index, other.arch_index), "two searches of different seeds are the same"
    assert first.arch_index.min() >= 0, f"found architecture {first.arch_index.min()}"
    assert first.arch_index.max() < len(space), f"found architecture {first.arch_index.max()} of {len(space)}"
    assert sorted(first.arch_index.tolist()) == sorted(asked), "the trajectory is not what was scored"
    best = first.incumbent()[-1]
    assert best < 0 or math.isfinite(first.score[best]), f"the best-scored has the score {first.score[best]}"
    half = run(0, seconds=max(1, steps // 2))[0]
    beginning = first.arch_index[: len(half.arch_index)]
    assert len(half.arch_index) <= max(1, steps // 2), f"{len(half.arch_index)} scores in {steps // 2} seconds"
    assert np.array_equal(half.arch_index, beginning), (
        "a search that is cut short is not the beginning of the whole one"
    )
