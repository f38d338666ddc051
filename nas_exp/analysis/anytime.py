"""How fast searches find what they find. Intervals are 95 % intervals."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from nas_exp.analysis.intervals import LEVEL, UNKNOWN, Interval, mean_interval, resampled
from nas_exp.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Anytime:
    """How fast the searches of a job find what they find."""

    area: Interval
    """The incumbent's accuracy, mean over steps and runs, percent: the area under its curve a step."""
    budget: Interval
    """Architectures scored by the first step from which the mean curve stays near its final value."""
    best_found: Interval
    """Share of runs that meet an architecture with the best score of the space, 0 to 1."""


def anytime(
    accuracy: FloatArray,
    score: FloatArray,
    best_possible_score: float,
    *,
    tolerance: float = 0.5,
    resamples: int = 1000,
    seed: int = 0,
) -> Anytime:
    """Return how fast searches find what they find.

    The curves are taken over the steps at which every run's incumbent has an accuracy, as in the job's figure: at the
    first steps there may be no incumbent yet. The intervals of `area` (`mean_interval`) and `budget` (percentiles) are
    bootstrapped over runs, that of `best_found` is Wilson's for a binomial share, which has width at 0 and 1 too.

    Args:
        accuracy: of the incumbent: shape (runs, steps), percent, NaN where unknown.
        score: of the architecture that was scored, or of the incumbent: shape (runs, steps).
        best_possible_score: the highest finite score of the space. Equal up to a relative 1e-12 counts.
        tolerance: percentage points that still count as near the final value.
        resamples: how many.
        seed: of the resamples.

    Returns:
        `area` and `budget` all NaN where no step has the accuracies of all runs; without bounds for one run.

    Raises:
        ValueError: the arrays do not have those shapes.
    """
    if accuracy.ndim != 2 or not accuracy.size or score.shape != accuracy.shape:
        raise ValueError(f"accuracy {accuracy.shape} and score {score.shape}: expected one shape, (runs, steps)")
    runs = len(accuracy)
    hits = int(np.isclose(score, best_possible_score, rtol=1e-12, atol=0).any(axis=1).sum())
    wilson = stats.binomtest(hits, runs).proportion_ci(LEVEL, method="wilson")
    area = budget = UNKNOWN
    step = np.flatnonzero(np.isfinite(accuracy).all(axis=0))
    if len(step):
        curves = accuracy[:, step]
        area = mean_interval(curves.mean(axis=1), seed=seed)

        def settled(drawn: IntArray) -> float:
            mean = curves[drawn].mean(axis=0)
            far = np.flatnonzero(np.abs(mean - mean[-1]) > tolerance)
            return float(step[far[-1] + 1 if len(far) else 0] + 1)

        budget = resampled(settled(np.arange(runs)), settled, runs, resamples, seed, least=2)
    return Anytime(area, budget, Interval(hits / runs, float(wilson.low), float(wilson.high)))
