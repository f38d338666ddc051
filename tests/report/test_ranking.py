import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from nas_exp.benchmarks import DATASETS, Benchmark, table
from nas_exp.report import ranking
from nas_exp.report.intervals import Interval
from nas_exp.report.ranking import (
    best_scored,
    correlations,
    kendall_interval,
    noise_ceiling,
    ranking_quality,
    spearman_interval,
)
from nas_exp.space import TopologySpace, canonical_form
from tests.report.test_intervals import covers

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# few values, so that ties are common
tied = arrays.arrays(np.float64, st.integers(2, 12), elements=st.integers(0, 4).map(float))


def correlated(n: int, rho: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw n points of a bivariate normal distribution."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


@pytest.fixture(scope="module")
def classes() -> IntArray:
    """The class of equal functions of every architecture, by `arch_index`."""
    numbers: dict[object, int] = {}
    forms = map(canonical_form, TopologySpace().specs.tolist())
    return np.array([numbers.setdefault(form, len(numbers)) for form in forms])


@pytest.fixture(scope="module")
def trained(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Benchmark]:
    store = tmp_path_factory.mktemp("store")
    return {dataset: table.load(dataset, path=test_data / "nb201", store=store) for dataset in DATASETS}


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
    assert found.regret == 30.0
    assert found.precision == {1: 0.0, 2: 0.5, 5: None}
    # gains 0, 1, 2/3, 1/3 and discounts 1, 1 / log2(3)
    assert found.ndcg == {1: 0.0, 2: pytest.approx((1 / np.log2(3)) / (1 + 2 / 3 / np.log2(3))), 5: None}
    assert found.rho == pytest.approx(-0.2)
    assert found.rho_top == pytest.approx(-1.0)


def test_where_all_are_equally_accurate_every_ranking_is_ideal() -> None:
    found = ranking_quality(np.arange(20.0), np.full(20, 90.0), k=(10,))
    assert (found.rho, found.tau, found.rho_top, found.tau_top) == (None,) * 4
    assert (found.precision, found.ndcg, found.regret) == ({10: 1.0}, {10: 1.0}, 0.0)


def test_scores_that_tell_nothing_are_as_good_as_chance() -> None:
    accuracy = np.arange(100.0)
    found = ranking_quality(np.full(100, np.nan), accuracy, k=(10,))
    assert found.precision == {10: pytest.approx(0.1)}
    assert found.regret == pytest.approx(accuracy.max() - accuracy.mean())


@settings(deadline=None)
@given(arrays.arrays(np.float64, st.integers(2, 30), elements=st.integers(0, 100), unique=True))
def test_accuracies_rank_themselves_best(accuracy: FloatArray) -> None:
    found = ranking_quality(accuracy, accuracy, k=(1, 2))
    assert [found.rho, found.tau, found.regret] == pytest.approx([1.0, 1.0, 0.0])
    assert found.precision == {1: 1.0, 2: 1.0}
    assert found.ndcg == {1: pytest.approx(1.0), 2: pytest.approx(1.0)}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_tied_scores_count_as_the_mean_over_their_orders(data: st.DataObject) -> None:
    score = data.draw(arrays.arrays(np.float64, 4, elements=st.integers(0, 2).map(float)))
    accuracy = data.draw(arrays.arrays(np.float64, 4, elements=st.integers(0, 50).map(float), unique=True))
    found = ranking_quality(score, accuracy, k=(2,))
    orders = [
        ranking_quality(score + 0.1 * np.array(untied), accuracy, k=(2,)) for untied in itertools.permutations(range(4))
    ]
    assert found.precision[2] == pytest.approx(np.mean([float(each.precision[2] or 0) for each in orders]))
    assert found.ndcg[2] == pytest.approx(np.mean([float(each.ndcg[2] or 0) for each in orders]))
    assert found.regret == pytest.approx(np.mean([each.regret for each in orders]))


def test_without_noise_twins_agree() -> None:
    accuracy = np.repeat(np.arange(50.0), 3)
    found = noise_ceiling(accuracy, np.repeat(np.arange(50), 3), draws=5)
    for interval in (found.rho, found.tau, found.rho_top, found.tau_top):
        assert [interval.value, interval.low, interval.high] == pytest.approx([1.0] * 3)
    assert found.classes == 50


def test_twins_are_different_members() -> None:
    # whichever of a and -a comes first, the other one is its twin
    accuracy = np.concatenate([np.arange(1.0, 51.0), -np.arange(1.0, 51.0)])
    found = noise_ceiling(accuracy, np.tile(np.arange(50), 2), draws=5)
    assert [found.rho.low, found.rho.high] == pytest.approx([-1.0, -1.0])


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_the_ceiling_is_the_reliability_of_trained_accuracy(noise: float) -> None:
    rng = np.random.default_rng(0)
    members = rng.integers(2, 6, size=3000)
    classes = np.repeat(np.arange(3000), members)
    accuracy = rng.normal(size=3000)[classes] + noise * rng.normal(size=len(classes))
    reliability = 1 / (1 + noise**2)
    found = noise_ceiling(accuracy, classes, draws=20)
    assert found.rho.value == pytest.approx(6 / np.pi * np.arcsin(reliability / 2), abs=0.03)
    assert found.tau.value == pytest.approx(2 / np.pi * np.arcsin(reliability), abs=0.03)
    assert found.rho.low < found.rho.value < found.rho.high
    # the top share is narrower, and noise as large as ever
    assert found.rho_top.value < found.rho.value


def test_architectures_without_twin_or_accuracy_change_nothing() -> None:
    rng = np.random.default_rng(0)
    accuracy, classes = rng.normal(90, 1, size=60), np.repeat(np.arange(20), 3)
    lonely, unknown = np.array([99.0, 98.0, np.nan]), np.array([100, 101, 0])
    more = noise_ceiling(np.concatenate([accuracy, lonely]), np.concatenate([classes, unknown]), draws=5)
    assert more == noise_ceiling(accuracy, classes, draws=5)
    assert more.classes == 20


def test_without_twins_there_is_no_ceiling() -> None:
    found = noise_ceiling(np.arange(5.0), np.arange(5), draws=2)
    assert found.classes == 0
    assert np.isnan([found.rho.value, found.rho_top.value]).all()


def test_the_ceiling_needs_the_class_of_every_accuracy() -> None:
    with pytest.raises(ValueError, match="one shape"):
        noise_ceiling(np.arange(5.0), np.arange(4))


@pytest.mark.parametrize(
    ("dataset", "rho", "rho_top"),
    [("cifar10", 0.983, 0.81), ("cifar100", 0.981, 0.55), ("imagenet16-120", 0.986, 0.47)],
)
def test_the_ceiling_of_the_space(
    trained: dict[str, Benchmark], classes: IntArray, dataset: str, rho: float, rho_top: float
) -> None:
    accuracy = trained[dataset].test_acc_200
    found = noise_ceiling(accuracy, classes)
    assert found.classes == 1211
    assert found.rho.value == pytest.approx(rho, abs=0.001)
    assert found.rho_top.value == pytest.approx(rho_top, abs=0.02)
    # the cells whose output is constant are many, but one class
    constant = classes == classes[0]
    assert constant.sum() == 341
    without = noise_ceiling(accuracy[~constant], classes[~constant])
    assert without.rho.value == pytest.approx(found.rho.value, abs=0.001)
    assert without.rho_top.value == pytest.approx(found.rho_top.value, abs=0.02)


def test_the_ceiling_among_the_best_is_no_bound(trained: dict[str, Benchmark], classes: IntArray) -> None:
    cifar100 = trained["cifar100"]
    quality = ranking_quality(cifar100.val_acc_12, cifar100.test_acc_200)
    assert quality.rho_top is not None
    assert quality.rho_top > noise_ceiling(cifar100.test_acc_200, classes, draws=20).rho_top.high
