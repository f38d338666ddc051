"""Local search against a plain form of White et al.'s Algorithm 1."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.algos import Trajectory, ls
from tests.algos.test_rea import random_scores
from tests.topology import SPECS
from tests.topology import TOPOLOGY as SPACE


class SpentError(Exception):
    """The budget of the plain search is."""


def plain_ls(scores: list[float], rng: np.random.Generator, *, N: int, improvement: str) -> list[int]:
    """Evaluate, move, restart, one architecture at a time; it draws the same random numbers."""
    order: list[int] = []

    def value(arch: int) -> float:
        if arch not in order:
            if len(order) == N:
                raise SpentError
            order.append(arch)
        return scores[arch] if math.isfinite(scores[arch]) else -math.inf

    def climb(here: int) -> None:
        while True:
            best = here
            for neighbour in rng.permutation(SPACE.neighbours(here)):
                if value(neighbour) > value(best):
                    best = int(neighbour)
                    if improvement == "first":
                        break
            if best == here:
                return
            here = best

    try:
        for start in SPACE.sample(rng, len(SPACE), replace=False):
            if int(start) not in order:
                value(int(start))
                climb(int(start))
    except SpentError:
        pass
    return order


def search(scores: list[float], seed: int, *, N: int, improvement: str) -> Trajectory:
    return ls.search(
        lambda archs: [scores[arch] for arch in archs],
        SPACE,
        np.random.default_rng(seed),
        N=N,
        improvement=improvement,  # type: ignore[arg-type]
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from(["best", "first"]))
def test_local_search_is_the_papers_algorithm_1(seed: int, N: int, improvement: str) -> None:
    scores = random_scores(seed % 5)
    trajectory = search(scores, seed, N=N, improvement=improvement)
    archs = plain_ls(scores, np.random.default_rng(seed), N=N, improvement=improvement)
    assert trajectory.arch_index.tolist() == archs
    np.testing.assert_array_equal(trajectory.score, [scores[arch] for arch in archs])


@pytest.mark.parametrize("improvement", ["best", "first"])
def test_a_climb_ends_at_the_only_optimum_of_a_smooth_score(improvement: str) -> None:
    distance = (np.array([3, 1, 3, 1, 2, 4]) != SPECS).sum(axis=1)
    # a start, and six moves of one edge each at most
    trajectory = search((-distance).astype(float).tolist(), 0, N=1 + 6 * 24 + 24, improvement=improvement)
    assert trajectory.score.max() == 0


@pytest.mark.parametrize("improvement", ["best", "first"])
def test_the_whole_space_is_scored_once_if_the_budget_allows(improvement: str) -> None:
    trajectory = search(random_scores(2), 1, N=len(SPACE), improvement=improvement)
    assert sorted(trajectory.arch_index.tolist()) == list(range(len(SPACE)))


def test_without_a_finite_score_every_climb_ends_where_it_starts() -> None:
    trajectory = search([math.nan] * len(SPACE), 0, N=60, improvement="best")
    assert trajectory.incumbent().tolist() == [-1] * 60
    start, *neighbours = trajectory.arch_index[:25].tolist()
    assert set(neighbours) == set(SPACE.neighbours(start).tolist())


def test_best_improvement_asks_for_all_new_neighbours_at_once() -> None:
    asked = list[int]()

    def score(archs: list[int]) -> list[float]:
        asked.append(len(archs))
        return [float(arch) for arch in archs]

    ls.search(score, SPACE, np.random.default_rng(0), N=100, improvement="best")  # type: ignore[arg-type]
    # a start, its 24 neighbours, then those of the best of them but for itself, the start and its other operations
    assert asked[:3] == [1, 24, 20]
