import math

import pytest

from nas_exp.tasks.verify import relative_difference


@pytest.mark.parametrize("value", [0.0, -3.5, math.inf, -math.inf, math.nan])
def test_equal_scores_do_not_differ(value: float) -> None:
    assert relative_difference(value, value) == 0


@pytest.mark.parametrize(("a", "b"), [(math.nan, 1.0), (1.0, math.inf), (math.inf, -math.inf), (math.nan, -math.inf)])
def test_scores_of_which_one_is_not_finite_differ_infinitely(a: float, b: float) -> None:
    assert relative_difference(a, b) == relative_difference(b, a) == math.inf


def test_differences_are_relative_to_the_larger() -> None:
    assert relative_difference(-99.0, -100.0) == relative_difference(-100.0, -99.0) == pytest.approx(0.01)
    assert relative_difference(0.0, 1e-30) == 1
