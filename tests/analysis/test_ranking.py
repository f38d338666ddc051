import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from nas_exp.analysis import ranking
from nas_exp.analysis.intervals import UNKNOWN, Interval
from nas_exp.analysis.ranking import (
    best_scored,
    correlations,
    kendall_interval,
    ndcg_interval,
    ranking_quality,
    spearman_interval,
)
from nas_exp.arrays import FloatArray
from tests.analysis.test_intervals import covers

# few values, so that ties are common
tied = arrays.arrays(np.float64, st.integers(2, 12), elements=st.integers(0, 4).map(float))


def correlated(n: int, rho: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw n points of a bivariate normal distribution."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def test_ranks_are_correlated_over_all_and_over_the_best_scored() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=200)
    accuracy = score + rng.normal(size=200)
    found = correlations(score, accuracy, top=0.1)
    best = np.argsort(score)[-20:]
    assert found["rho"] == pytest.approx(stats.spearmanr(score, accuracy).statistic)
    assert found["tau"] == pytest.approx(stats.kendalltau(score, accuracy).statistic)
    assert found["rho_top"] == pytest.approx(stats.spearmanr(score[best], accuracy[best]).statistic)
    assert found["tau_top"] == pytest.approx(stats.kendalltau(score[best], accuracy[best]).statistic)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_correlations_rank_scores_that_are_not_finite_last(value: float) -> None:
    score = np.array([value, value, 1.0, 2.0, 3.0])
    as_worst = np.array([0.0, 0.0, 1.0, 2.0, 3.0])
    accuracy = np.array([30.0, 10.0, 20.0, 40.0, 50.0])
    assert correlations(score, accuracy, top=1.0) == correlations(as_worst, accuracy, top=1.0)


def test_where_all_are_equal_there_is_no_correlation() -> None:
    found = correlations(np.ones(30), np.arange(30.0), top=0.1)
    assert found == {"rho": None, "tau": None, "rho_top": None, "tau_top": None}


def test_the_best_scored_are_a_share_and_at_least_two() -> None:
    score = np.array([1.0, np.nan, 3.0, 3.0, -np.inf, 2.0])
    assert best_scored(score, 0.5).tolist() == [2, 3, 5]
    assert best_scored(score, 0.01).tolist() == [2, 3]


def test_ties_at_the_border_are_all_among_the_best_scored() -> None:
    score = np.array([1.0, 2.0, 3.0, 2.0, 2.0, 0.0])
    assert best_scored(score, 0.5).tolist() == [2, 1, 3, 4]
    assert len(best_scored(np.full(10, -np.inf), 0.1)) == 10


@given(st.data())
def test_spearman_of_a_resample_is_that_of_the_drawn_architectures(data: st.DataObject) -> None:
    x = data.draw(tied)
    y = data.draw(arrays.arrays(np.float64, len(x), elements=st.integers(0, 4).map(float)))
    drawn = data.draw(arrays.arrays(np.int64, st.integers(2, 20), elements=st.integers(0, len(x) - 1)))
    found = ranking._spearman_of_drawn(ranking._dense_ranks(x), ranking._dense_ranks(y), drawn)
    if len(np.unique(x[drawn])) < 2 or len(np.unique(y[drawn])) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(x[drawn], y[drawn]).statistic)


@given(st.data())
def test_the_best_of_a_resample_are_the_best_scored_of_the_drawn(data: st.DataObject) -> None:
    x = data.draw(tied)
    drawn = data.draw(arrays.arrays(np.int64, st.integers(2, 20), elements=st.integers(0, len(x) - 1)))
    top = data.draw(st.floats(0.05, 1.0))
    found = ranking._best_of_drawn(ranking._dense_ranks(x), drawn, top)
    assert sorted(found) == sorted(drawn[best_scored(x[drawn], top)])


@given(st.data())
def test_ndcg_of_a_resample_is_that_of_the_drawn_architectures(data: st.DataObject) -> None:
    x = data.draw(tied)
    y = data.draw(arrays.arrays(np.float64, len(x), elements=st.integers(0, 4).map(float)))
    drawn = data.draw(arrays.arrays(np.int64, st.integers(3, 20), elements=st.integers(0, len(x) - 1)))
    ranks = ranking._dense_ranks(-x), ranking._dense_ranks(-y)
    found = ranking._ndcg_of_drawn(*ranks, y, drawn, 3)
    assert found == pytest.approx(ranking_quality(x[drawn], y[drawn], k=(3,)).ndcg[3].value)


@pytest.mark.parametrize("ties", [False, True])
def test_intervals_are_the_percentiles_of_a_plain_bootstrap(ties: bool) -> None:
    score, accuracy = correlated(300, 0.7, seed=1)
    if ties:
        score, accuracy = score.round(1), accuracy.round(1)
    rng = np.random.default_rng(5)
    qualities = []
    for _ in range(100):
        drawn = rng.integers(300, size=300)
        qualities.append(ranking_quality(score[drawn], accuracy[drawn], top=0.2, k=(20,)))
    for interval, plain in (
        (
            spearman_interval(score, accuracy, top=0.2, resamples=100, seed=5),
            [each.rho_top.value for each in qualities],
        ),
        (kendall_interval(score, accuracy, top=0.2, resamples=100, seed=5), [each.tau_top.value for each in qualities]),
        (ndcg_interval(score, accuracy, k=20, resamples=100, seed=5), [each.ndcg[20].value for each in qualities]),
    ):
        values = np.array(plain, dtype=np.float64)
        assert [interval.low, interval.high] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())


@pytest.mark.slow
def test_intervals_among_the_best_hold_the_true_value_as_often_as_they_say() -> None:
    truth = ranking_quality(*correlated(400_000, 0.8, seed=999), top=0.2).rho_top.value
    held = [covers(spearman_interval(*correlated(400, 0.8, seed), top=0.2, resamples=300), truth) for seed in range(80)]
    # 95 % expected; standard deviation 2.4 %
    assert np.mean(held) >= 0.87


def test_an_interval_of_ndcg_needs_as_many_architectures_as_it_looks_at() -> None:
    score, accuracy = correlated(50, 0.5, seed=0)
    assert np.isnan(ndcg_interval(score, accuracy, k=51).value)
    found = ndcg_interval(score, accuracy, k=50)
    assert found.low <= found.value <= found.high
    assert ndcg_interval(score, np.full(50, 90.0), k=10) == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_intervals_of_correlations_agree_with_closed_forms(rho: float) -> None:
    # Bonett and Wright (2000): Fisher's z of rho varies by (1 + rho² / 2) / (n - 3), that of tau by 0.437 / (n - 4)
    n = 1000
    score, accuracy = correlated(n, rho, seed=3)
    for found, variance in (
        (spearman_interval(score, accuracy), lambda value: (1 + value**2 / 2) / (n - 3)),
        (kendall_interval(score, accuracy, resamples=500), lambda value: 0.437 / (n - 4)),
    ):
        half_width = 1.96 * np.sqrt(variance(found.value))
        low, high = np.tanh(np.arctanh(found.value) + np.array([-half_width, half_width]))
        # the bounds of a bootstrap are themselves random
        assert [found.low, found.high] == pytest.approx([low, high], abs=0.2 * (high - low))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_intervals_of_correlations_hold_the_true_value_as_often_as_they_say(rho: float) -> None:
    held = []
    for seed in range(80):
        sample = correlated(100, rho, seed)
        held.append(
            (
                covers(spearman_interval(*sample, resamples=300, seed=seed), 6 / np.pi * np.arcsin(rho / 2)),
                covers(kendall_interval(*sample, resamples=300, seed=seed), 2 / np.pi * np.arcsin(rho)),
            )
        )
    # 95 % expected, less what 300 resamples cost; standard deviation 2.4 %
    assert (np.mean(held, axis=0) >= 0.87).all()


def test_intervals_of_correlations_repeat_with_their_seed() -> None:
    sample = correlated(50, 0.5, seed=0)
    for interval in (spearman_interval, kendall_interval):
        assert interval(*sample, seed=1, resamples=50) == interval(*sample, seed=1, resamples=50)
        assert interval(*sample, seed=1, resamples=50) != interval(*sample, seed=2, resamples=50)


def test_correlations_are_those_of_scipy() -> None:
    score, accuracy = correlated(50, 0.5, seed=0)
    assert spearman_interval(score, accuracy).value == pytest.approx(stats.spearmanr(score, accuracy).statistic)
    assert kendall_interval(score, accuracy).value == pytest.approx(stats.kendalltau(score, accuracy).statistic)


@pytest.mark.parametrize("interval", [spearman_interval, kendall_interval])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_rank_last(interval: Callable[..., Interval], value: float) -> None:
    score = np.array([value, value, 1.0, 2.0, 3.0, 4.0])
    as_worst = np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0])
    accuracy = np.array([30.0, 10.0, 20.0, 40.0, 50.0, 45.0])
    assert interval(score, accuracy) == interval(as_worst, accuracy)


@pytest.mark.parametrize("interval", [spearman_interval, kendall_interval])
def test_resamples_with_nothing_to_correlate_are_left_out(interval: Callable[..., Interval]) -> None:
    # of four architectures, one resample in 64 holds one of them four times
    found = interval(np.arange(4.0), np.arange(4.0), resamples=500)
    assert [found.value, found.low, found.high] == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("interval", [spearman_interval, kendall_interval])
def test_without_anything_to_correlate_there_is_no_interval(interval: Callable[..., Interval]) -> None:
    found = interval(np.ones(30), np.arange(30.0))
    assert np.isnan([found.value, found.low, found.high]).all()
    found = interval(np.arange(3.0), np.array([10.0, 30.0, 20.0]))
    assert not np.isnan(found.value)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("accuracy", [np.array([10.0]), np.array([10.0, np.nan])])
def test_scores_need_finite_accuracies(accuracy: FloatArray) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        spearman_interval(np.array([1.0, 2.0]), accuracy)


def test_ranking_quality_is_that_worked_by_hand() -> None:
    found = ranking_quality(np.array([4.0, 3.0, 2.0, 1.0]), np.array([10.0, 40.0, 30.0, 20.0]), top=0.5, k=(1, 2, 5))
    assert found.regret.value == 30.0
    assert [found.precision[k].value for k in (1, 2)] == [0.0, 0.5]
    # gains 0, 1, 2/3, 1/3 and discounts 1, 1 / log2(3)
    assert found.ndcg[1].value == 0.0
    assert found.ndcg[2].value == pytest.approx((1 / np.log2(3)) / (1 + 2 / 3 / np.log2(3)))
    assert found.precision[5] is found.ndcg[5] is UNKNOWN
    assert found.rho.value == pytest.approx(-0.2)
    assert found.rho_top.value == pytest.approx(-1.0)


def test_where_all_are_equally_accurate_every_ranking_is_ideal() -> None:
    found = ranking_quality(np.arange(20.0), np.full(20, 90.0), k=(10,))
    assert (found.rho, found.tau, found.rho_top, found.tau_top) == (UNKNOWN,) * 4
    assert (found.precision[10].value, found.ndcg[10].value, found.regret.value) == (1.0, 1.0, 0.0)


def test_scores_that_tell_nothing_are_as_good_as_chance() -> None:
    accuracy = np.arange(100.0)
    found = ranking_quality(np.full(100, np.nan), accuracy, k=(10,))
    assert found.precision[10].value == pytest.approx(0.1)
    assert found.regret.value == pytest.approx(accuracy.max() - accuracy.mean())


@settings(deadline=None)
@given(arrays.arrays(np.float64, st.integers(2, 30), elements=st.integers(0, 100), unique=True))
def test_accuracies_rank_themselves_best(accuracy: FloatArray) -> None:
    found = ranking_quality(accuracy, accuracy, k=(1, 2))
    assert [found.rho.value, found.tau.value, found.regret.value] == pytest.approx([1.0, 1.0, 0.0])
    assert [found.precision[k].value for k in (1, 2)] == [1.0, 1.0]
    assert [found.ndcg[k].value for k in (1, 2)] == pytest.approx([1.0, 1.0])


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_tied_scores_count_as_the_mean_over_their_orders(data: st.DataObject) -> None:
    score = data.draw(arrays.arrays(np.float64, 4, elements=st.integers(0, 2).map(float)))
    accuracy = data.draw(arrays.arrays(np.float64, 4, elements=st.integers(0, 50).map(float), unique=True))
    found = ranking_quality(score, accuracy, k=(2,))
    orders = [
        ranking_quality(score + 0.1 * np.array(untied), accuracy, k=(2,)) for untied in itertools.permutations(range(4))
    ]
    assert found.precision[2].value == pytest.approx(np.mean([each.precision[2].value for each in orders]))
    assert found.ndcg[2].value == pytest.approx(np.mean([each.ndcg[2].value for each in orders]))
    assert found.regret.value == pytest.approx(np.mean([each.regret.value for each in orders]))
