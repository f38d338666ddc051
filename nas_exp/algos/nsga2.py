"""Two objectives: Deb et al., *A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II*, 2002."""

import numpy as np

from nas_exp.algos import Costs, Count, Score, Trajectory, studies
from nas_exp.spaces.space import Space


def search(score: Score, space: Space, rng: np.random.Generator, *, cost: Costs, N: Count, P: Count) -> Trajectory:
    """Evolve a population towards high scores and low costs at once, by Optuna's `NSGAIISampler`.

    Args:
        score: to be high.
        space: where to search; Optuna draws position by position.
        rng: seeds the sampler.
        cost: to be low.
        N: how many architectures; one may be proposed again.
        P: population; the first P are random.

    Returns:
        a trajectory of N steps.
    """
    from optuna.samplers import NSGAIISampler

    sampler = NSGAIISampler(population_size=P, seed=int(rng.integers(studies.HIGHEST_SEED)))
    return studies.run_study(
        sampler,
        score,
        space,
        N=N,
        directions=["maximize", "minimize"],
        objectives=lambda arch, value: [value, float(cost([arch])[0])],
    )
