"""What searches by Optuna's samplers share: a position is a categorical parameter, an architecture a trial."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from nas_exp.algos import Score, Trajectory
from nas_exp.spaces.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

HIGHEST_SEED = 2**32 - 1


def run_study(
    sampler: "BaseSampler",
    score: Score,
    space: Space,
    *,
    N: int,
    directions: Sequence[Literal["maximize", "minimize"]],
    objectives: Callable[[int, float], Sequence[float]],
) -> Trajectory:
    """Ask a sampler for N architectures, one after the other, and tell it what each is worth.

    What is not finite has failed, as Optuna calls it: no sampler goes by it.

    Args:
        sampler: proposes architectures; it may propose one again.
        score: gives scores.
        space: where to search; its radices are what the sampler sees.
        N: how many.
        directions: of each objective.
        objectives: the objectives of an architecture and its score.

    Returns:
        a trajectory of N steps.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution

    positions: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(list(range(radix)))
        for name, radix in zip(space.positions, space.radices, strict=True)
    }
    scored, scores = list[int](), list[float]()
    with _silent():
        study = optuna.create_study(directions=list(directions), sampler=sampler)
        for _ in range(N):
            trial = study.ask(positions)
            arch = 0
            for position, radix in zip(positions, space.radices, strict=True):
                arch = arch * radix + trial.params[position]
            (value,) = score([arch])
            scored.append(arch)
            scores.append(value)
            worth = objectives(arch, value)
            if all(map(math.isfinite, worth)):
                study.tell(trial, list(worth))
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return Trajectory(np.asarray(scored, dtype=np.int64), np.asarray(scores, dtype=np.float64))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep Optuna from telling of every study on the terminal."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
