"""What searches by one of Optuna's samplers share: an edge is a categorical parameter, an architecture a trial."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from nas_exp.algos import Score, Trajectory
from nas_exp.spaces.topology import EDGES, OPERATIONS, index_of_spec

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

HIGHEST_SEED = 2**32 - 1


def run_study(
    sampler: "BaseSampler",
    score: Score,
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
        N: how many.
        directions: of each objective.
        objectives: the objectives of an architecture and its score.

    Returns:
        a trajectory of N steps.
    """
    import optuna

    operations = range(len(OPERATIONS))
    edges = {f"{i}->{j}": optuna.distributions.CategoricalDistribution(list(operations)) for i, j in EDGES}
    scored, scores = list[int](), list[float]()
    with _silent():
        study = optuna.create_study(directions=list(directions), sampler=sampler)
        for _ in range(N):
            # Optuna's types are those of any parameter
            trial = study.ask(edges)  # type: ignore[arg-type]
            arch = index_of_spec([trial.params[edge] for edge in edges])
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
