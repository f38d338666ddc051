"""Regularized evolution against a plain form of the paper's Algorithm 2."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.algos import Trajectory, rea
from tests.topology import SPECS
from tests.topology import TOPOLOGY as SPACE


def plain_rea(
    scores: list[float], rng: np.random.Generator, *, N: int, P: int, S: int
) -> tuple[list[int], list[float]]:
    """Algorithm 2 as written, on a queue; it draws the same random numbers."""
    return plain_evolution(scores, rng, SPACE.sample(rng, P, replace=True).tolist(), N=N, S=S)


def plain_evolution(
    scores: list[float], rng: np.random.Generator, first: list[int], *, N: int, S: int
) -> tuple[list[int], list[float]]:
    """The same from a given first population."""

    def rank(score: float) -> float:
        return score if math.isfinite(score) else -math.inf

    population: deque[tuple[int, float]] = deque()
    history: list[tuple[int, float]] = []
    for arch in first:
        population.append((arch, scores[arch]))
        history.append(population[-1])
    choices, mutations = rng.integers(len(first), size=(N, S)), rng.integers(24, size=N)
    for choice, mutation in zip(choices, mutations, strict=True):
        parent = population[choice[0]]
        for k in choice[1:]:
            if rank(population[k][1]) > rank(parent[1]):
                parent = population[k]
        child = int(SPACE.neighbours(parent[0])[mutation])
        population.append((child, scores[child]))
        history.append(population[-1])
        population.popleft()
    return [arch for arch, _ in history], [score for _, score in history]


def random_scores(seed: int) -> list[float]:
    """Scores with ties and with every kind of non-finite value."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 50, len(SPACE)).astype(float)
    for value in (math.nan, math.inf, -math.inf):
        scores[rng.choice(len(SPACE), 2000, replace=False)] = value
    return scores.tolist()


def search(scores: list[float], seed: int, *, N: int, P: int, S: int) -> Trajectory:
    return rea.search(lambda archs: [scores[arch] for arch in archs], SPACE, np.random.default_rng(seed), N=N, P=P, S=S)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 30), st.integers(1, 40))
def test_rea_is_the_papers_algorithm_2(seed: int, N: int, P: int, S: int) -> None:
    scores = random_scores(seed % 5)
    trajectory = search(scores, seed, N=N, P=P, S=S)
    archs, values = plain_rea(scores, np.random.default_rng(seed), N=N, P=P, S=S)
    assert trajectory.arch_index.tolist() == archs
    np.testing.assert_array_equal(trajectory.score, values)


def test_rea_scores_the_population_and_then_n_children() -> None:
    assert len(search(random_scores(0), 0, N=100, P=20, S=10).arch_index) == 120


def test_rea_never_returns_a_non_finite_score() -> None:
    scores = random_scores(1)
    for seed in range(20):
        trajectory = search(scores, seed, N=50, P=10, S=5)
        assert math.isfinite(trajectory.score[trajectory.incumbent()[-1]])


def test_rea_survives_a_space_without_a_finite_score() -> None:
    trajectory = search([math.nan] * len(SPACE), 0, N=30, P=5, S=3)
    assert trajectory.incumbent().tolist() == [-1] * 35


def test_rea_climbs_to_the_optimum_of_a_smooth_score() -> None:
    distance = (np.array([3, 1, 3, 1, 2, 4]) != SPECS).sum(axis=1)
    trajectory = search((-distance).astype(float).tolist(), 0, N=300, P=20, S=10)
    assert trajectory.score.max() == 0


def test_tournaments_draw_with_replacement() -> None:
    # Of two members, a tournament of two meets the better one with probability 3/4 if it draws with replacement, and
    # always if it does not. The better one is old, so its child is the first one.
    children_of_better = 0
    for seed in range(400):
        first, second = SPACE.sample(np.random.default_rng(seed), 2, replace=True).tolist()
        scores = [0.0] * len(SPACE)
        scores[first] = 1.0
        child = int(search(scores, seed, N=1, P=2, S=2).arch_index[2])
        if child not in SPACE.neighbours(second):
            assert child in SPACE.neighbours(first)
            children_of_better += 1
    # 300 expected, standard deviation 8.7
    assert 265 < children_of_better < 335


def test_members_die_of_age_not_of_bad_scores() -> None:
    # The first member is the best by far, and every tournament is sure to meet it, while it lives: it is the parent of
    # the first child, and then the oldest, so it leaves.
    first = int(SPACE.sample(np.random.default_rng(5), 4, replace=True)[0])
    scores = [0.0] * len(SPACE)
    scores[first] = 1.0
    children = search(scores, 5, N=30, P=4, S=200).arch_index[4:].tolist()
    assert children[0] in SPACE.neighbours(first)
    assert not all(child in SPACE.neighbours(first) for child in children[1:])


@pytest.mark.parametrize("P", [1, 20])
def test_every_child_differs_from_its_parent_by_one_edge(P: int) -> None:
    trajectory = search(random_scores(3), 9, N=50, P=P, S=1)
    for step in range(P, 50 + P):
        parents = trajectory.arch_index[step - P : step].tolist()
        assert any(trajectory.arch_index[step] in SPACE.neighbours(parent) for parent in parents)
