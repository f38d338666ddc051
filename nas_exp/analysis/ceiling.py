"""The noise ceiling: how well architectures that compute the same function rank each other once trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.analysis.intervals import TAILS, UNKNOWN, Interval
from nas_exp.analysis.ranking import correlations
from nas_exp.arrays import FloatArray, IntArray

VERSION = 1
"""To be counted up when `noise_ceiling` gives other numbers, so that cached ones are computed again."""


@dataclass(frozen=True)
class NoiseCeiling:
    """Rank correlation of trained accuracy with that of a twin; `value` is a mean, the interval one of percentiles."""

    rho: Interval
    """Spearman, over all classes."""
    tau: Interval
    """Kendall, tau-b."""
    rho_top: Interval
    """Spearman among the share of twins whose first is best."""
    tau_top: Interval
    classes: int
    """Classes of two or more, each of which gives one pair of twins."""


def noise_ceiling(
    accuracy: FloatArray, classes: IntArray, *, top: float = 0.1, draws: int = 200, seed: int = 0
) -> NoiseCeiling:
    """Return how well the accuracy of an architecture is ranked by that of a twin, which computes the same function.

    Twins were trained separately, from other weights and, where dead operations differ, with other parameters that do
    nothing. In each draw every class of two or more gives two different members at random; the accuracies of the first
    members, as scores, are correlated with those of the second, over all classes and over the `top` share by score.
    Classes count alike, whatever their size; classes of one give nothing. The intervals are over draws: they hold the
    luck of which twins are taken, not that of which classes there are.

    So this is what a metric reaches that is as good as training an equal network once. It is no bound:

    * A metric that knew the expected accuracy of a function would have no noise of its own, and could come to about
      the square root of it. One that sees the very training run, as validation accuracy does, can pass it as well.
    * `rho_top` depends on how far apart the accuracies in the top share lie. A worse metric lets worse architectures
      in, and correlates more easily among them: compare it with metrics that choose nearly as well only.

    The class whose output does not depend on the input, with accuracy at chance, is in: it has many members, but gives
    one pair among all, which changes `rho` by less than 0.001.

    Args:
        accuracy: shape (n,), percent; architectures without one (NaN) are left out.
        classes: shape (n,), equal for architectures that compute the same function.
        top: share of the pairs, in (0, 1].
        draws: how many.
        seed: of the draws.

    Returns:
        All NaN where there is nothing to correlate.

    Raises:
        ValueError: the arrays do not have those shapes.
    """
    if accuracy.ndim != 1 or classes.shape != accuracy.shape:
        raise ValueError(f"accuracy {accuracy.shape} and classes {classes.shape}: expected one shape, (n,)")
    known = np.isfinite(accuracy)
    _, number, members = np.unique(classes[known], return_inverse=True, return_counts=True)
    by_class = accuracy[known][np.argsort(number, kind="stable")]
    start, members = (np.cumsum(members) - members)[members > 1], members[members > 1]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        first = rng.integers(members)
        # a step of 1 to members - 1 around the class: uniform over the others
        second = (first + 1 + rng.integers(members - 1)) % members
        found.append(correlations(by_class[start + first], by_class[start + second], top=top))
    return NoiseCeiling(
        **{name: _over_draws([each[name] for each in found]) for name in ("rho", "tau", "rho_top", "tau_top")},
        classes=len(members),
    )


def _over_draws(found: Sequence[float | None]) -> Interval:
    values = np.array([value for value in found if value is not None])
    if not len(values):
        return UNKNOWN
    low, high = np.quantile(values, TAILS)
    return Interval(float(values.mean()), float(low), float(high))
