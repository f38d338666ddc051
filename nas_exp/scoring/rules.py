"""Scores made of several scores: by ranks, by z-scores, or their mean.

Ranks and z-scores depend on which architectures there are. Over a whole table that is the space (`combine`); in a
search, which cannot see the space, it is what has been scored so far (`RunningRanks`).
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.config.types import RuleName


@dataclass(frozen=True)
class Rule:
    """How the scores of members become one: higher is better in all."""

    name: RuleName
    of: Callable[[FloatArray, FloatArray], FloatArray]
    """Takes values and their ranks, each of shape (members, n), all finite; returns (n,)."""
    is_relative: bool
    """Whether what one architecture gets depends on the others; if not, ranks are not looked at."""


def _log_rank(_: FloatArray, ranks: FloatArray) -> FloatArray:
    return np.asarray(np.log(ranks / ranks.shape[1]).sum(0))


def _rank(_: FloatArray, ranks: FloatArray) -> FloatArray:
    return np.asarray((ranks / ranks.shape[1]).mean(0))


def _z_score(values: FloatArray, _: FloatArray) -> FloatArray:
    centred = values - values.mean(1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(1, keepdims=True))
    # a member that gives all the same score says nothing
    return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0).mean(0))


def _mean(values: FloatArray, _: FloatArray) -> FloatArray:
    return np.asarray(values.mean(0))


_RULES = {
    rule.name: rule
    for rule in (
        Rule("log_rank", _log_rank, is_relative=True),
        Rule("rank", _rank, is_relative=True),
        Rule("z_score", _z_score, is_relative=True),
        Rule("mean", _mean, is_relative=False),
    )
}
assert set(_RULES) == set(get_args(RuleName))


def rule_of(name: RuleName) -> Rule:
    """Return the rule of that name.

    With r the rank of an architecture by a member, n the best of n and 1 the worst, ties averaged, and x its score:
    ``log_rank`` is Σ log(r / n) over the members, which a single bad rank spoils, as in AZ-NAS (Lee and Ham 2024,
    equation 11) and VKDNW (Tybl and Neumann 2025); ``rank`` is the mean of r / n; ``z_score`` is the mean of
    (x - mean) / standard deviation; ``mean`` is the mean of x.
    """
    return _RULES[name]


def combine(rule: Rule, values: FloatArray) -> FloatArray:
    """Return one score for each architecture from those that the members give it.

    Args:
        rule: how.
        values: shape (members, n).

    Returns:
        shape (n,). NaN where a member's score is not finite; such architectures do not count for the others' ranks.
    """
    usable = np.isfinite(values).all(0)
    found = np.full(values.shape[1], np.nan)
    if usable.any():
        chosen = values[:, usable]
        found[usable] = rule.of(chosen, _ranks(chosen) if rule.is_relative else chosen)
    return found


def _ranks(values: FloatArray) -> FloatArray:
    """Rank the columns of (members, n) for each member: 1 is the worst, ties averaged."""
    from scipy import stats  # takes as long to import as a whole search takes on known scores

    return np.asarray(stats.rankdata(values, axis=1))


class RunningRanks:
    """The scores of architectures that are scored one after the other, by their ranks among all scored so far."""

    def __init__(self, rule: Rule, members: int) -> None:
        """Start without any.

        Args:
            rule: how members' scores become one.
            members: how many there are.
        """
        self._rule = rule
        self._count = 0
        self._values, self._ranks = np.empty((members, 64)), np.empty((members, 64))
        self._scores: FloatArray | None = None

    def add(self, values: Sequence[float]) -> int:
        """Take in an architecture by its members' scores, all of them finite; return its number."""
        number = self._count
        if number == self._values.shape[1]:
            self._values, self._ranks = (np.concatenate([old, old], axis=1) for old in (self._values, self._ranks))
        new = np.asarray(values)[:, None]
        before, ranks = self._values[:, :number], self._ranks[:, :number]
        equal = (before == new) / 2
        ranks += (before > new) + equal
        self._values[:, number : number + 1] = new
        self._ranks[:, number] = 1 + (before < new).sum(1) + equal.sum(1)
        self._count += 1
        self._scores = None
        return number

    @property
    def scores(self) -> FloatArray:
        """The scores of all that were taken in, by number: shape (n,)."""
        if self._scores is None:
            self._scores = self._rule.of(self._values[:, : self._count], self._ranks[:, : self._count])
        return self._scores


@functools.total_ordering
class Ranked:  # noqa: PLW1641 - it changes, so it has no hash
    """The current score of an architecture, compared and converted as a float is."""

    def __init__(self, ranks: RunningRanks, number: int) -> None:
        """Refer to the architecture of some number."""
        self._ranks, self._number = ranks, number

    def __float__(self) -> float:
        return float(self._ranks.scores[self._number])

    def __eq__(self, other: Any) -> bool:
        return float(self) == float(other)

    def __lt__(self, other: Any) -> bool:
        return float(self) < float(other)
