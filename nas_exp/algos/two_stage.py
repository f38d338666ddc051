"""Two stages: a cheap score for many architectures, an expensive one for the best of them."""

import math
from typing import Annotated

import numpy as np
import numpy.typing as npt

from nas_exp.algos import Count, Score, Trajectory, rea, rs
from nas_exp.bounds import NotAbove
from nas_exp.spaces.space import Space


def search(
    score: Score,
    space: Space,
    rng: np.random.Generator,
    *,
    final: Score,
    N: Count,
    P: Count | None,
    S: Count,
    k: Annotated[Count, NotAbove("N")],
) -> Trajectory:
    """Search by `score`, then score the k best found by `final` as well; the best by that is what is found.

    The first stage is random search over N architectures, or, given P, regularized evolution of N children. The
    shortlist is taken from all that it has scored: different architectures with finite scores, the best first, of
    equals the one met first. Where there are fewer than k, it is all of them.

    Args:
        score: what the first stage searches by.
        space: where to search.
        rng: draws for the first stage; the second draws nothing.
        final: what the second stage scores by.
        N: the first stage's budget; the size of the space, to look at every architecture.
        P: population of the evolution; None: random search.
        S: tournament of the evolution.
        k: how many go to the second stage.

    Returns:
        a trajectory of the first stage's steps, then those of the shortlist.
    """
    first = rs.search(score, space, rng, N=N) if P is None else rea.search(score, space, rng, N=N, P=P, S=S)
    chosen = shortlist(first, k)
    second = Trajectory(chosen, np.asarray(final(chosen.tolist()), dtype=np.float64))
    return Trajectory.joined({"score": first, "final": second})


def shortlist(trajectory: Trajectory, k: int) -> npt.NDArray[np.int64]:
    """Return the k best-scored architectures of a trajectory, best first; fewer if it has not as many."""
    scored = dict(zip(trajectory.arch_index.tolist(), trajectory.score.tolist(), strict=True))
    finite = [arch for arch, value in scored.items() if math.isfinite(value)]
    # sorting is stable, and a dictionary keeps the order in which its keys were met
    return np.asarray(sorted(finite, key=lambda arch: -scored[arch])[:k], dtype=np.int64)
