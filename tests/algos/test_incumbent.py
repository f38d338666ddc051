import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.algos import Trajectory

any_scores = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.sampled_from([math.nan, math.inf, -math.inf])), min_size=1, max_size=30
)


def incumbents_one_by_one(scores: list[float]) -> list[int]:
    best, positions = -1, []
    for step, score in enumerate(scores):
        if math.isfinite(score) and (best < 0 or score > scores[best]):
            best = step
        positions.append(best)
    return positions


@given(any_scores)
def test_the_incumbent_is_the_first_best_finite_score_so_far(scores: list[float]) -> None:
    trajectory = Trajectory(np.arange(len(scores)), np.array(scores))
    assert trajectory.incumbent().tolist() == incumbents_one_by_one(scores)


@given(any_scores, any_scores)
def test_a_later_stage_overrules_an_earlier_one_from_its_first_finite_score_on(
    first: list[float], second: list[float]
) -> None:
    parts = [Trajectory(np.arange(len(scores)), np.array(scores)) for scores in (first, second)]
    trajectory = Trajectory.joined(dict(zip(("score", "final"), parts, strict=True)))
    before, after = incumbents_one_by_one(first), incumbents_one_by_one(second)
    later = [before[-1] if position < 0 else len(first) + position for position in after]
    assert trajectory.incumbent().tolist() == before + later
