"""Search algorithms: pure functions from a score, a space and a random generator to a trajectory.

An algorithm is one module with one function ``search(score, space, rng, *, <hyper-parameters>) -> Trajectory`` and one
file in ``conf/algo/`` that names the function and holds the values. Hyper-parameters are keyword-only, annotated with
their type and range, as `Count` is; N is the budget. A keyword-only parameter that is a `Score` gets the scores of
another metric, and `cost: Costs` what architectures cost to keep or to run. Algorithms know neither configuration nor
files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from nas_exp.arrays import FloatArray
from nas_exp.bounds import AtLeast, InSpace

Count = Annotated[int, AtLeast(1), InSpace()]
"""How many architectures: the type of N, P and S."""

Score = Callable[[Sequence[int]], Sequence[float]]
"""Scores architectures, given as `arch_index`, in order; higher is better. Non-finite scores never win."""

Costs = Callable[[Sequence[int]], FloatArray]
"""Returns what architectures, given as `arch_index`, cost to keep or to run: lower is better, NaN where unknown."""

CostName = Literal["params", "flops", "latency"]
"""The costs that there are; `nas_exp.search.costs` says what they are."""


@dataclass(frozen=True)
class Trajectory:
    """The architectures that one search scored, in the order scored."""

    arch_index: npt.NDArray[np.int64]
    """Shape (steps,)."""
    score: npt.NDArray[np.float64]
    """Shape (steps,)."""
    stage: npt.NDArray[np.int64] | None = None
    """Which of `stages` gave the score, shape (steps,); None: the first gave all."""
    stages: tuple[str, ...] = ("score",)
    """The parameters of the algorithm that gave scores: a later one overrules the ones before it."""

    @classmethod
    def joined(cls, stages: "Mapping[str, Trajectory]") -> "Trajectory":
        """Return one trajectory after the other; each is about the scores of the parameter that is its key."""
        steps = [len(part.arch_index) for part in stages.values()]
        return cls(
            np.concatenate([part.arch_index for part in stages.values()]),
            np.concatenate([part.score for part in stages.values()]),
            np.repeat(np.arange(len(stages)), steps),
            tuple(stages),
        )

    def incumbent(self, by_stage: "Mapping[str, Incumbents] | None" = None) -> npt.NDArray[np.int64]:
        """Return, for each step, the step at which the best-scored architecture so far was met; shape (steps,).

        The first of equal scores stays. It is -1 until a finite score has been met. As soon as a stage has a finite
        score, its best counts, and no longer those of the stages before.

        Args:
            by_stage: what finds them among the steps of a stage, by parameter; by default its scores alone say.
        """
        position, steps = np.full(len(self.score), -1), np.arange(len(self.score))
        for number, parameter in enumerate(self.stages):
            is_own = np.full(len(steps), True) if self.stage is None else self.stage == number
            best = (by_stage or {}).get(parameter, _by_score)(self.arch_index[is_own], self.score[is_own])
            at = np.full(len(steps), -1)
            at[is_own] = np.where(best >= 0, steps[is_own][best], -1)
            # between its steps a stage's best stays
            last = np.maximum.accumulate(np.where(is_own, steps, -1))
            position = np.where((last >= 0) & (at[last] >= 0), at[last], position)
        return position


Incumbents = Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], npt.NDArray[np.int64]]
"""Takes architectures and scores of steps, returns for each the step of the best so far; -1 where there is none."""


def _by_score(_: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return first_best(score)


def first_best(score: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return, for each step, the first step with the best finite score so far; -1 where there is none."""
    usable = np.where(np.isfinite(score), score, -np.inf)
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], usable[:-1])))
    improving = np.where(usable > best_before, np.arange(len(usable)), -1)
    return np.maximum.accumulate(improving)
