"""Pareto fronts and hypervolumes against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.algos import Trajectory
from nas_exp.analysis import pareto

few = st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan, math.inf, -math.inf])


@given(st.lists(st.tuples(few, few), min_size=1, max_size=12), st.data())
def test_the_front_is_what_nothing_else_beats(networks: list[tuple[float, float]], data: st.DataObject) -> None:
    scores, costs = np.array(networks).T
    archs = data.draw(st.lists(st.integers(0, len(networks) - 1), min_size=1, max_size=20))
    met = [arch for arch in dict.fromkeys(archs) if math.isfinite(scores[arch]) and math.isfinite(costs[arch])]

    def beats(a: int, b: int) -> bool:
        return scores[a] >= scores[b] and costs[a] <= costs[b] and (scores[a], costs[a]) != (scores[b], costs[b])

    best = [arch for arch in met if not any(beats(other, arch) for other in met)]
    steps = pareto.front(Trajectory(np.array(archs), scores[archs]), lambda archs: costs[archs])
    found = [archs[step] for step in steps]
    assert found == sorted(best, key=lambda arch: (costs[arch], arch))
    # each where it was first met
    assert steps.tolist() == [archs.index(arch) for arch in found]


def test_a_hypervolume_is_the_share_that_is_beaten() -> None:
    # 80 % accuracy at half the highest cost, 60 % at a quarter of it
    both = pareto.hypervolume(np.array([80.0, 60.0]), np.array([5.0, 2.5]), 10.0)
    assert both == pytest.approx(0.8 * 0.5 + 0.6 * 0.25)
    # what is beaten adds nothing
    assert pareto.hypervolume(np.array([80.0, 60.0, 50.0]), np.array([5.0, 2.5, 3.0]), 10.0) == pytest.approx(both)


def test_a_hypervolume_is_between_nothing_and_everything() -> None:
    assert pareto.hypervolume(np.array([100.0]), np.array([0.0]), 7.0) == 1
    assert pareto.hypervolume(np.array([50.0]), np.array([7.0]), 7.0) == 0
    assert pareto.hypervolume(np.empty(0), np.empty(0), 7.0) == 0
    assert math.isnan(pareto.hypervolume(np.array([50.0, math.nan]), np.array([1.0, 2.0]), 7.0))
