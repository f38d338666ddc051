"""Regularized evolution: Real et al., *Regularized Evolution for Image Classifier Architecture Search*, 2018."""

import math
from collections.abc import Sequence

import numpy as np

from nas_exp.algos import Count, Score, Trajectory
from nas_exp.spaces.space import Space


def search(
    score: Score,
    space: Space,
    rng: np.random.Generator,
    *,
    N: Count,
    P: Count,
    S: Count,
) -> Trajectory:
    """Evolve a population by tournament and aging (the paper's Algorithm 2).

    P architectures are drawn uniformly, each on its own. Then, N times: S candidates are drawn from the population
    with replacement, the best-scored is the parent (the first drawn of equals; a non-finite score loses to any finite
    one), a uniform neighbour of it is the child, the child is scored and joins, the oldest member leaves.

    Returns:
        a trajectory of P + N steps: the initial population, then the children.
    """
    return evolve(score, space, rng, space.sample(rng, P, replace=True).tolist(), N=N, S=S)


def evolve(
    score: Score, space: Space, rng: np.random.Generator, population: Sequence[int], *, N: int, S: int
) -> Trajectory:
    """Do the same from a given population, oldest first."""
    scored, P = list(population), len(population)
    scores = list(score(scored))
    fitness = [value if math.isfinite(value) else -math.inf for value in scores]
    # All random numbers are drawn up front: a few calls instead of thousands, and the loop is the algorithm alone.
    candidates = rng.integers(P, size=(N, S)).tolist()
    mutations = rng.integers(sum(radix - 1 for radix in space.radices), size=N).tolist()
    for oldest in range(N):
        # The population is always the last P scored, so position `oldest + k` holds its k-th oldest member.
        parent = max((oldest + k for k in candidates[oldest]), key=fitness.__getitem__)
        child = int(space.neighbours(scored[parent])[mutations[oldest]])
        (value,) = score([child])
        scored.append(child)
        scores.append(value)
        fitness.append(value if math.isfinite(value) else -math.inf)
    return Trajectory(np.asarray(scored, dtype=np.int64), np.asarray(scores, dtype=np.float64))
