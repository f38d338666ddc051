"""A budget in seconds for one search, whatever its algorithm."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nas_exp.algos import Score, Trajectory
from nas_exp.errors import InputError
from nas_exp.scoring.scorer import Scorer


class BudgetSpentError(Exception):
    """A score is not given, because the search's budget ends before it is there."""


class Budget:
    """Adds up the seconds that an algorithm's scores take, and ends the search before they exceed the budget.

    A score that would exceed it is not given: a search costs its budget at most. A score counts each time that it is
    asked for, as in the costs that are reported.
    """

    def __init__(self, scorers: Mapping[str, Scorer], seconds: float) -> None:
        """Start with nothing spent.

        Args:
            scorers: give scores and their seconds, by the algorithm's parameters.
            seconds: the budget of one search.
        """
        self._scorers, self._seconds = scorers, seconds
        self._spent = 0.0
        self._steps: list[tuple[str, int, float]] = []

    def score(self, parameter: str) -> Score:
        """Return the scores of one of the scorers, within the budget."""
        scorer = self._scorers[parameter]

        def within_budget(arch_index: Sequence[int]) -> Sequence[float]:
            return [self._one(parameter, scorer, arch) for arch in arch_index]

        return within_budget

    def _one(self, parameter: str, scorer: Scorer, arch: int) -> float:
        # one at a time, as the seconds of the next are known only when it is computed; and before it is given, since a
        # scorer that ranks counts every score that it gives
        seconds = float(scorer.price([arch])[0])
        if not math.isnan(seconds):
            self._spent += seconds
        if self._spent > self._seconds:
            if not self._steps:
                raise InputError(
                    f"algo.seconds={self._seconds:g}: not enough for one score; the first takes {seconds:.6g}"
                )
            raise BudgetSpentError
        (value,) = scorer([arch])
        if math.isnan(seconds) and math.isfinite(value):
            raise InputError(
                f"algo.seconds={self._seconds:g}: nothing says what the score of architecture {arch} took; "
                "expected null, or a benchmark with the training times"
            )
        self._steps.append((parameter, arch, value))
        return value

    def trajectory(self) -> Trajectory:
        """Return the steps of the search before the budget was spent."""
        parameters, archs, values = zip(*self._steps, strict=True)
        arch_index, score = np.asarray(archs, dtype=np.int64), np.asarray(values, dtype=np.float64)
        if len(self._scorers) == 1:
            return Trajectory(arch_index, score)
        # stages are numbered as they are used
        stages = tuple(dict.fromkeys(parameters))
        return Trajectory(arch_index, score, np.array([stages.index(name) for name in parameters]), stages)
