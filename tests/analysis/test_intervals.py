import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from nas_exp.analysis.intervals import Interval, mean_band, mean_interval
from nas_exp.arrays import FloatArray


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def test_means_of_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval(np.full(30, 90.2)) == Interval(90.2, 90.2, 90.2)


def test_values_that_differ_in_their_last_bits_have_an_interval() -> None:
    values = np.full(30, 90.2)
    values[-1] = np.nextafter(90.2, 100)
    found = mean_interval(values)
    assert [found.value, found.low, found.high] == pytest.approx([90.2] * 3)


def test_one_value_has_a_mean_without_bounds() -> None:
    found = mean_interval(np.array([90.2]))
    assert found.value == 90.2
    assert np.isnan([found.low, found.high]).all()


def test_an_unknown_value_makes_the_mean_unknown() -> None:
    found = mean_interval(np.array([90.2, np.nan]))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        mean_interval(np.array([]))


@settings(deadline=None, max_examples=30)
@given(
    arrays.arrays(np.float64, st.integers(2, 30), elements=st.integers(0, 10**8).map(lambda n: n / 1e6)),
    st.integers(0, 2**32),
)
def test_the_interval_of_a_mean_lies_among_the_values(values: FloatArray, seed: int) -> None:
    found = mean_interval(values, seed=seed)
    slack = 1e-9
    assert found.value == pytest.approx(values.mean())
    assert values.min() - slack <= found.low <= found.high <= values.max() + slack
    assert found == mean_interval(values, seed=seed)


def test_the_interval_of_a_mean_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = [covers(mean_interval(rng.normal(90, 1, size=30)), 90.0) for _ in range(200)]
    # 95 % expected, less what 30 values cost; standard deviation 1.5 %
    assert 0.90 <= np.mean(held) <= 0.99


def test_the_band_of_a_mean_is_its_bootstrap_interval_at_every_point() -> None:
    curves = np.random.default_rng(0).normal([90, 70, 50], [1, 5, 0], size=(30, 3))
    found = mean_band(curves, resamples=20_000)
    assert found.value == pytest.approx(curves.mean(axis=0))
    for point in range(2):
        expected = stats.bootstrap((curves[:, point],), np.mean, method="percentile", n_resamples=20_000, rng=1)
        width = np.ptp(expected.confidence_interval)
        assert [found.low[point], found.high[point]] == pytest.approx(
            list(expected.confidence_interval), abs=width / 40
        )
    assert [found.low[2], found.high[2]] == pytest.approx([50, 50])


def test_one_curve_has_a_mean_without_bounds() -> None:
    found = mean_band(np.array([[90.0, 91.0]]))
    assert found.value.tolist() == [90, 91]
    assert np.isnan([found.low, found.high]).all()
