"""Searches by Optuna's samplers against Optuna itself, and on scores whose best is known."""

import math
from collections.abc import Sequence

import numpy as np
import optuna
import pytest

from nas_exp.algos import Costs, Trajectory, nsga2, tpe
from nas_exp.analysis import pareto
from nas_exp.arrays import FloatArray
from nas_exp.networks.cell_graph import EDGES
from tests.topology import SPECS, index_of_spec
from tests.topology import TOPOLOGY as SPACE

BEST = np.array([3, 1, 3, 1, 2, 4])
SMOOTH = -(SPECS != BEST).sum(axis=1).astype(float)
CONVOLUTIONS = (SPECS == 3).sum(axis=1).astype(float)


def convolutions(archs: Sequence[int]) -> FloatArray:
    """What architectures cost."""
    return CONVOLUTIONS[archs]


def tpe_search(scores: Sequence[float], seed: int, *, N: int, startup: int = 10) -> Trajectory:
    rng = np.random.default_rng(seed)
    return tpe.search(lambda archs: [scores[arch] for arch in archs], SPACE, rng, N=N, startup=startup)


def nsga2_search(scores: Sequence[float], cost: Costs, seed: int, *, N: int, P: int = 20) -> Trajectory:
    rng = np.random.default_rng(seed)
    return nsga2.search(lambda archs: [scores[arch] for arch in archs], SPACE, rng, cost=cost, N=N, P=P)


def optimised(sampler: optuna.samplers.BaseSampler, directions: list[str], scores: Sequence[float]) -> list[int]:
    """What Optuna does by itself, with an objective function."""
    archs = list[int]()

    def objective(trial: optuna.Trial) -> float | tuple[float, float]:
        spec = [trial.suggest_categorical(f"{i}->{j}", [0, 1, 2, 3, 4]) for i, j in EDGES]
        archs.append(index_of_spec(spec))
        value = scores[archs[-1]]
        return value if len(directions) == 1 else (value, CONVOLUTIONS[archs[-1]])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.create_study(directions=directions, sampler=sampler).optimize(objective, n_trials=80)  # type: ignore[arg-type]
    return archs


def test_what_tpe_proposes_is_what_optuna_does() -> None:
    seed = int(np.random.default_rng(7).integers(2**32 - 1))
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    trajectory = tpe_search(SMOOTH.tolist(), 7, N=80)
    assert trajectory.arch_index.tolist() == optimised(sampler, ["maximize"], SMOOTH.tolist())
    assert trajectory.score.tolist() == SMOOTH[trajectory.arch_index].tolist()


def test_what_nsga2_proposes_is_what_optuna_does() -> None:
    seed = int(np.random.default_rng(7).integers(2**32 - 1))
    sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=20)
    trajectory = nsga2_search(SMOOTH.tolist(), convolutions, 7, N=80)
    assert trajectory.arch_index.tolist() == optimised(sampler, ["maximize", "minimize"], SMOOTH.tolist())
    assert trajectory.score.tolist() == SMOOTH[trajectory.arch_index].tolist()


def test_tpe_finds_the_best_of_a_smooth_score_where_chance_does_not() -> None:
    found = [tpe_search(SMOOTH.tolist(), seed, N=150).score.max() for seed in range(5)]
    # of 150 at random, fewer than one in 100 searches has it
    assert found.count(0.0) >= 4


def test_nsga2_finds_the_front_of_two_objectives() -> None:
    # Every network has as many convolutions as it likes, and is scored by them and by the others' distance to BEST: the
    # front is one network for each number of convolutions.
    distance = (np.array([1, 1, 1, 1, 1, 1]) != SPECS) & (SPECS != 3)
    scores = CONVOLUTIONS - 2.0 * distance.sum(axis=1)
    trajectory = nsga2_search(scores.tolist(), convolutions, 3, N=1500, P=50)
    costs = convolutions(trajectory.arch_index.tolist())
    archs = trajectory.arch_index[pareto.front(trajectory.arch_index, trajectory.score, costs)]
    assert sorted(set(CONVOLUTIONS[archs].tolist())) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert (scores[archs] == CONVOLUTIONS[archs]).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_gone_by(value: float) -> None:
    scores = SMOOTH.copy()
    scores[SPECS[:, 0] == 3] = value
    for trajectory in (tpe_search(scores.tolist(), 1, N=60), nsga2_search(scores.tolist(), convolutions, 1, N=60)):
        assert len(trajectory.arch_index) == 60
        assert math.isfinite(trajectory.score[trajectory.incumbent()[-1]])


def test_a_space_without_a_finite_score_is_survived() -> None:
    scores = [math.nan] * len(SPACE)
    assert (
        tpe_search(scores, 0, N=30).incumbent()[-1] == nsga2_search(scores, convolutions, 0, N=30).incumbent()[-1] == -1
    )
