import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.analysis.curves import accuracy_at, mean_and_std, padded_steps, steps_by
from tests.plain_runs import found_at


def test_runs_that_end_early_keep_their_last_step() -> None:
    assert padded_steps([3, 1, 2]).tolist() == [[0, 1, 2], [0, 0, 0], [0, 1, 1]]


STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100)), min_size=4, max_size=4)


@given(st.lists(STEPS, min_size=1, max_size=3), st.lists(st.integers(0, 25), max_size=6))
def test_what_is_found_at_a_cost_is_what_the_last_step_within_it_has_found(
    drawn: list[list[tuple[int, int]]], costs: list[int]
) -> None:
    seconds = np.array([np.cumsum([took for took, _ in run]) for run in drawn], dtype=np.float64)
    accuracy = np.array([[found for _, found in run] for run in drawn], dtype=np.float64)
    runs = [list(zip(*run, strict=True)) for run in zip(seconds.tolist(), accuracy.tolist(), strict=True)]
    found = accuracy_at(seconds, accuracy, np.array(costs, dtype=np.float64))
    np.testing.assert_array_equal(
        found, np.reshape([found_at(run, cost) for run in runs for cost in costs], found.shape)
    )
    steps = steps_by(seconds, np.array(costs, dtype=np.float64))
    assert steps.ravel().tolist() == [sum(at <= cost for at, _ in run) for run in runs for cost in costs]


@given(
    st.lists(st.lists(st.one_of(st.floats(0, 100), st.just(np.nan)), min_size=1, max_size=6), min_size=1, max_size=5)
)
def test_mean_and_deviation_of_curves_one_at_a_time_are_those_of_all_at_once(drawn: list[list[float]]) -> None:
    curves = [np.array(curve) for curve in drawn]
    whole = np.array([curve[step] for curve, step in zip(curves, padded_steps(list(map(len, curves))), strict=True)])
    mean, std = mean_and_std(curves)
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-12)
    expected = whole.std(axis=0, ddof=1) if len(curves) > 1 else 0 * mean
    np.testing.assert_allclose(std, expected, rtol=1e-9, atol=1e-9)
