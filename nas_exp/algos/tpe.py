"""Tree-structured Parzen estimator: Bergstra et al., *Algorithms for Hyper-Parameter Optimization*, 2011."""

import numpy as np

from nas_exp.algos import Count, Score, Trajectory, studies
from nas_exp.spaces.space import Space


def search(score: Score, space: Space, rng: np.random.Generator, *, N: Count, startup: Count) -> Trajectory:
    """Propose what is more like the good than like the bad ones so far, by Optuna's `TPESampler`.

    The densities are over all positions together (`multivariate`), as Falkner et al., *BOHB*, 2018, have them.

    Args:
        score: gives scores; what is not finite is left out of both densities.
        space: where to search; Optuna draws position by position.
        rng: seeds the sampler.
        N: how many architectures; one may be proposed again.
        startup: so many are drawn at random first.

    Returns:
        a trajectory of N steps.
    """
    from optuna.samplers import TPESampler

    seed = int(rng.integers(studies.HIGHEST_SEED))
    sampler = TPESampler(seed=seed, n_startup_trials=startup, multivariate=True)
    return studies.run_study(sampler, score, space, N=N, directions=["maximize"], objectives=lambda _, value: [value])
