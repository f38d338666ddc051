"""A budget in seconds for one search, whatever its algorithm."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nas_exp.algos import Score, Trajectory
from nas_exp.errors import InputError
from nas_exp.scoring.scorer import AnyScorer


class BudgetSpentError(Exception):
    """A score is not given, because the search's budget ends before it is there."""


class Meter:
    """Stands between an algorithm and its scores, adds up what they take, and ends the search when that is too much.

    A score that would be there only after the end of the budget is not given: a search costs its budget at most. Every
    score counts each time it is asked for, as in the costs that are reported.
    """

    def __init__(self, scorers: Mapping[str, AnyScorer], seconds: float) -> None:
        """Start with nothing spent.

        Args:
            scorers: give scores and what they take, by the algorithm's parameters.
            seconds: what all that one search asks for may take.
        """
        self._scorers, self._seconds = scorers, seconds
        self._spent = 0.0
        self._steps: list[tuple[str, int, float]] = []

    def score(self, parameter: str) -> Score:
        """Return the scores of one of the scorers, metered."""
        scorer = self._scorers[parameter]

        def metered(arch_index: Sequence[int]) -> Sequence[float]:
            return [self._one(parameter, scorer, arch) for arch in arch_index]

        return metered

    def _one(self, parameter: str, scorer: AnyScorer, arch: int) -> float:
        # one at a time, as what another one takes is known only when it is there; and before it is given, as to scorers
        # that go by ranks what is given counts
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
                "expected null, or a benchmark with the training times (train_seconds_12)"
            )
        self._steps.append((parameter, arch, value))
        return value

    def trajectory(self) -> Trajectory:
        """Return what was given before the budget was spent."""
        parameters, archs, values = zip(*self._steps, strict=True)
        arch_index, score = np.asarray(archs, dtype=np.int64), np.asarray(values, dtype=np.float64)
        if len(self._scorers) == 1:
            return Trajectory(arch_index, score)
        # stages are numbered as they are used
        stages = tuple(dict.fromkeys(parameters))
        return Trajectory(arch_index, score, np.array([stages.index(name) for name in parameters]), stages)
