"""Assisted evolution against a plain selection, and the plain evolution of test_rea.py."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.algos import Trajectory, area
from tests.algos.test_rea import plain_evolution, random_scores
from tests.topology import TOPOLOGY as SPACE


def search(cheap: list[float], dear: list[float], seed: int, **parameters: int) -> Trajectory:
    return area.search(
        lambda archs: [dear[arch] for arch in archs],
        SPACE,
        np.random.default_rng(seed),
        proxy=lambda archs: [cheap[arch] for arch in archs],
        **parameters,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 30), st.integers(1, 20), st.integers(0, 50))
def test_evolution_starts_from_the_best_of_the_sample(seed: int, N: int, P: int, S: int, more: int) -> None:
    cheap, dear = random_scores(seed % 5), random_scores(5 + seed % 5)
    trajectory = search(cheap, dear, seed, M=P + more, N=N, P=P, S=S)

    rng = np.random.default_rng(seed)
    sample = SPACE.sample(rng, P + more, replace=False).tolist()

    def rank(arch: int) -> tuple[float, int]:
        value = cheap[arch] if math.isfinite(cheap[arch]) else -math.inf
        return -value, sample.index(arch)

    archs, values = plain_evolution(dear, rng, sorted(sample, key=rank)[:P], N=N, S=S)
    assert trajectory.arch_index.tolist() == sample + archs
    np.testing.assert_array_equal(trajectory.score, [*(cheap[arch] for arch in sample), *values])
    assert trajectory.stages == ("proxy", "score")
    assert trajectory.stage is not None
    assert trajectory.stage.tolist() == [0] * len(sample) + [1] * (P + N)


def test_the_proxy_alone_never_decides_what_is_found() -> None:
    cheap, dear = [float(arch) for arch in range(len(SPACE))], random_scores(1)
    for seed in range(10):
        trajectory = search(cheap, dear, seed, M=200, N=30, P=10, S=3)
        trained = trajectory.arch_index[200:]
        best = max(value for value in (dear[arch] for arch in trained) if math.isfinite(value))
        assert trajectory.score[trajectory.incumbent()[-1]] == best


@pytest.mark.parametrize("M", [20, 500])
def test_a_good_proxy_saves_what_a_larger_sample_would_cost(M: int) -> None:
    # with the accuracy itself as the proxy, the first network trained is the best of the sample
    dear = np.random.default_rng(0).normal(size=len(SPACE)).tolist()
    found: Any = search(dear, dear, 4, M=M, N=1, P=20, S=1)
    assert found.score[M] == found.score[:M].max()
