"""Search algorithms: pure functions from a score, a space and a random generator to a trajectory.

An algorithm is one module with one function ``search(score, space, rng, *, <hyper-parameters>) -> Trajectory`` and one
file in ``conf/algo/`` that names the function and holds the values. Hyper-parameters are keyword-only, annotated with
their type and range, as `Count` is; N is the budget. Algorithms know neither configuration nor files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from nas_exp.arguments import AtLeast, AtMost
from nas_exp.space import SIZE

Count = Annotated[int, AtLeast(1), AtMost(SIZE, "the size of the space")]
"""How many architectures: the type of N, P and S."""

Score = Callable[[Sequence[int]], Sequence[float]]
"""Scores architectures, given as `arch_index`, in order; higher is better. Non-finite scores never win."""


@dataclass(frozen=True)
class Trajectory:
    """The architectures that one search scored, in the order scored."""

    arch_index: npt.NDArray[np.int64]
    """Shape (steps,)."""
    score: npt.NDArray[np.float64]
    """Shape (steps,)."""

    def incumbent(self) -> npt.NDArray[np.int64]:
        """Return, for each step, the step at which the best-scored architecture so far was met; shape (steps,).

        The first of equal scores stays. It is -1 until a finite score has been met.
        """
        usable = np.where(np.isfinite(self.score), self.score, -np.inf)
        best_before = np.maximum.accumulate(np.concatenate(([-np.inf], usable[:-1])))
        improving = np.where(usable > best_before, np.arange(len(usable)), -1)
        return np.maximum.accumulate(improving)
