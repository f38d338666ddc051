"""Assisted regularized evolution: Mellor et al., *Neural Architecture Search without Training*, 2021 (AREA)."""

from typing import Annotated

import numpy as np

from nas_exp.algos import Count, Score, Trajectory, rea, rs
from nas_exp.bounds import NotAbove
from nas_exp.spaces.space import Space


def search(
    score: Score,
    space: Space,
    rng: np.random.Generator,
    *,
    proxy: Score,
    M: Count,
    N: Count,
    P: Annotated[Count, NotAbove("M")],
    S: Count,
) -> Trajectory:
    """Evolve, by `score`, the best P of M random architectures by a cheap proxy.

    The M are drawn without replacement. The population starts with the best first, so that they are scored in that
    order, and the best is the first to leave. Architectures without a finite proxy come last, in the order drawn. What
    follows is regularized evolution (`rea.evolve`).

    Args:
        score: what the evolution goes by.
        space: where to search.
        rng: draws the sample, then the tournaments and mutations.
        proxy: what chooses the first population.
        M: how many architectures get a proxy score.
        N: children.
        P: population.
        S: candidates a tournament.

    Returns:
        a trajectory of M steps by `proxy`, then P + N by `score`.
    """
    sample = rs.search(proxy, space, rng, N=M)
    usable = np.where(np.isfinite(sample.score), sample.score, -np.inf)
    population = sample.arch_index[np.argsort(-usable, kind="stable")[:P]]
    evolution = rea.evolve(score, space, rng, population.tolist(), N=N, S=S)
    return Trajectory.joined({"proxy": sample, "score": evolution})
