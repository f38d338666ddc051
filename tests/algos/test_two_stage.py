"""Two stages against what they should come to, computed from whole tables of scores."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.algos import Trajectory, rea, rs, two_stage
from tests.algos.test_rea import random_scores
from tests.topology import TOPOLOGY as SPACE


def search(cheap: list[float], dear: list[float], seed: int, **parameters: Any) -> Trajectory:
    return two_stage.search(
        lambda archs: [cheap[arch] for arch in archs],
        SPACE,
        np.random.default_rng(seed),
        final=lambda archs: [dear[arch] for arch in archs],
        **{"P": None, "S": 10, **parameters},
    )


def plain_shortlist(archs: list[int], scores: list[float], k: int) -> list[int]:
    """Take out the best, k times."""
    left = list(dict.fromkeys(arch for arch in archs if math.isfinite(scores[arch])))
    chosen = list[int]()
    while left and len(chosen) < k:
        best = left[0]
        for arch in left:
            if scores[arch] > scores[best]:
                best = arch
        left.remove(best)
        chosen.append(best)
    return chosen


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 40), st.sampled_from([None, 1, 20]))
def test_the_k_best_of_the_first_stage_are_scored_again(seed: int, N: int, k: int, P: int | None) -> None:
    cheap, dear = random_scores(seed % 5), random_scores(5 + seed % 5)
    trajectory = search(cheap, dear, seed, N=N, k=k, P=P)

    def score(archs: Any) -> list[float]:
        return [cheap[arch] for arch in archs]

    rng = np.random.default_rng(seed)
    first = rs.search(score, SPACE, rng, N=N) if P is None else rea.search(score, SPACE, rng, N=N, P=P, S=10)
    chosen = plain_shortlist(first.arch_index.tolist(), cheap, k)
    assert trajectory.arch_index.tolist() == [*first.arch_index.tolist(), *chosen]
    np.testing.assert_array_equal(trajectory.score, [*first.score, *(dear[arch] for arch in chosen)])
    assert trajectory.stages == ("score", "final")
    assert trajectory.stage is not None
    assert trajectory.stage.tolist() == [0] * len(first.arch_index) + [1] * len(chosen)


def test_over_the_whole_space_the_best_by_the_second_score_of_the_k_best_by_the_first_is_found() -> None:
    rng = np.random.default_rng(0)
    cheap, dear = rng.normal(size=len(SPACE)), rng.normal(size=len(SPACE))
    trajectory = search(cheap.tolist(), dear.tolist(), 3, N=len(SPACE), k=50)
    best = np.argsort(-cheap)[:50]
    assert trajectory.arch_index[trajectory.incumbent()[-1]] == best[dear[best].argmax()]


def test_the_incumbent_is_the_first_stages_best_until_the_second_has_a_finite_score() -> None:
    cheap = [float(arch) for arch in range(len(SPACE))]
    # the second score likes best what the first likes less, and does not know the very best
    dear = [-value for value in cheap]
    dear[-1] = math.nan
    trajectory = search(cheap, dear, 0, N=len(SPACE), k=4)
    size = len(SPACE)
    assert trajectory.arch_index[-4:].tolist() == [size - 1, size - 2, size - 3, size - 4]
    incumbents = trajectory.arch_index[trajectory.incumbent()[-5:]].tolist()
    assert incumbents == [size - 1, size - 1, size - 2, size - 3, size - 4]


def test_a_second_stage_without_a_finite_score_leaves_the_first_stages_best() -> None:
    cheap = [float(arch) for arch in range(len(SPACE))]
    trajectory = search(cheap, [math.nan] * len(SPACE), 0, N=100, k=10)
    assert trajectory.arch_index[trajectory.incumbent()[-1]] == trajectory.arch_index[:100].max()


@pytest.mark.parametrize("k", [1, 7])
def test_without_a_finite_first_score_there_is_no_shortlist(k: int) -> None:
    trajectory = search([math.nan] * len(SPACE), [1.0] * len(SPACE), 0, N=20, k=k)
    assert len(trajectory.arch_index) == 20
    assert trajectory.incumbent().tolist() == [-1] * 20
