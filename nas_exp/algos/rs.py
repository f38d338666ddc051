"""Random search."""

import numpy as np

from nas_exp.algos import Count, Score, Trajectory
from nas_exp.spaces.space import Space


def search(score: Score, space: Space, rng: np.random.Generator, *, N: Count) -> Trajectory:
    """Score N architectures drawn uniformly without replacement (the paper's Algorithm 1).

    Returns:
        a trajectory of N steps.
    """
    arch_index = space.sample(rng, N, replace=False)
    return Trajectory(arch_index, np.asarray(score(arch_index.tolist()), dtype=np.float64))
