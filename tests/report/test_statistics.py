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
from nas_exp.report import statistics
from nas_exp.report.statistics import (
    Comparison,
    Interval,
    anytime,
    compare_pairs,
    kendall_interval,
    mean_interval,
    noise_ceiling,
    ranking_quality,
    ranks_over_datasets,
    spearman_interval,
)
from nas_exp.space import TopologySpace, canonical_form

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# few values, so that ties are common
tied = arrays.arrays(np.float64, st.integers(2, 12), elements=st.integers(0, 4).map(float))


def correlated(n: int, rho: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw n points of a bivariate normal distribution."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


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


# intervals


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


@given(st.data())
def test_spearman_of_a_resample_is_that_of_the_drawn_architectures(data: st.DataObject) -> None:
    x = data.draw(tied)
    y = data.draw(arrays.arrays(np.float64, len(x), elements=st.integers(0, 4).map(float)))
    drawn = data.draw(arrays.arrays(np.int64, st.integers(2, 20), elements=st.integers(0, len(x) - 1)))
    found = statistics._spearman_of_drawn(statistics._dense_ranks(x), statistics._dense_ranks(y), drawn)
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


# comparisons


def test_pairs_of_methods_are_compared_over_their_runs() -> None:
    # by hand: all five differences are above zero, as 2 of the 2⁵ signs at least as extreme are; Holm has three tests
    a = np.array([91.0, 92.0, 93.0, 94.0, 95.0])
    b = np.full(5, 90.0)
    c = np.array([90.0, 90.0, 91.0, 89.0, 90.0])
    found = {(each.a, each.b): each for each in compare_pairs({"a": a, "b": b, "c": c})}
    assert found["a", "b"] == Comparison("a", "b", 5, 3.0, 1.0, p=0.0625, p_holm=0.1875)
    assert found["a", "c"] == Comparison("a", "c", 5, 2.0, 1.0, p=0.0625, p_holm=0.1875)
    assert found["b", "c"] == Comparison("b", "c", 5, 0.0, 0.5, p=1.0, p_holm=1.0)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_methods_that_find_the_same_are_not_told_apart() -> None:
    (found,) = compare_pairs({"a": np.full(30, 90.2), "b": np.full(30, 90.2)})
    assert (found.p, found.p_holm, found.median_difference, found.superiority) == (1.0, 1.0, 0.0, 0.5)


def test_differences_that_are_equal_on_paper_tie() -> None:
    # 0.3 and 0.1 + 0.2 differ in floating point, and so do their differences from 0
    (found,) = compare_pairs({"a": np.array([0.1 + 0.2, 0.3, 0.0]), "b": np.array([0.0, 0.0, 0.3])})
    assert found.p == pytest.approx(stats.wilcoxon([0.3, 0.3, -0.3]).pvalue)


def test_runs_without_a_counterpart_are_left_out() -> None:
    a = np.array([91.0, 92.0, np.nan, 94.0, 95.0])
    (found,) = compare_pairs({"a": a, "b": np.full(4, 90.0)})
    assert (found.runs, found.median_difference) == (3, 2.0)
    (found,) = compare_pairs({"a": np.full(3, np.nan), "b": np.full(3, 90.0)})
    assert (found.runs, found.p) == (0, 1.0)
    assert np.isnan([found.median_difference, found.superiority]).all()


def test_one_method_has_nobody_to_be_compared_with() -> None:
    assert compare_pairs({"a": np.array([90.0])}) == []


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        arrays.arrays(np.float64, 5, elements=st.integers(880, 900).map(lambda tenths: tenths / 10)),
        min_size=2,
        max_size=3,
    )
)
def test_comparisons_are_fair_to_both_methods(results: list[FloatArray]) -> None:
    named = dict(zip("abc", results, strict=False))
    there = compare_pairs(named)
    back = {(each.b, each.a): each for each in compare_pairs(dict(reversed(named.items())))}
    for each in there:
        other = back[each.a, each.b]
        assert other.median_difference == pytest.approx(-each.median_difference)
        assert other.superiority == pytest.approx(1 - each.superiority)
        assert other.p == pytest.approx(each.p)
        assert other.p_holm == pytest.approx(each.p_holm)
        assert each.p <= each.p_holm <= 1


def test_ranks_are_averaged_over_datasets() -> None:
    # by hand: ranks 1, 2, 3 · 1, 2.5, 2.5 · 2, 1, 3
    results = np.array([[90.0, 80.0, 70.0], [60.0, 50.0, 50.0], [30.0, 40.0, 20.0]])
    found = ranks_over_datasets(results, ["a", "b", "c"])
    assert found.names == ("a", "b", "c")
    assert found.average_rank == pytest.approx([4 / 3, 5.5 / 3, 8.5 / 3])
    expected = stats.friedmanchisquare(*results.T)
    assert found.friedman_statistic == pytest.approx(expected.statistic)
    assert found.friedman_p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_those_of_demsars_table(methods: int, quantile: float) -> None:
    datasets = 14
    results = np.random.default_rng(0).normal(size=(datasets, methods))
    found = ranks_over_datasets(results, [str(number) for number in range(methods)])
    scale = np.sqrt(methods * (methods + 1) / (6 * datasets))
    assert found.critical_difference / scale == pytest.approx(quantile, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(2, 6)), elements=st.integers(0, 9)))
def test_methods_further_apart_than_the_critical_difference_are_told_apart(results: FloatArray) -> None:
    found = ranks_over_datasets(results, [str(number) for number in range(results.shape[1])], alpha=0.05)
    distance = np.abs(found.average_rank[:, None] - found.average_rank)
    assert ((found.nemenyi_p < 0.05) == (distance > found.critical_difference)).all()
    assert found.nemenyi_p == pytest.approx(found.nemenyi_p.T)
    assert found.average_rank.sum() == pytest.approx(results.shape[1] * (results.shape[1] + 1) / 2)


def test_friedmans_test_needs_three_methods_that_differ() -> None:
    for results in (np.array([[1.0, 2.0], [1.0, 2.0]]), np.ones((3, 4))):
        found = ranks_over_datasets(results, [str(number) for number in range(results.shape[1])])
        assert found.friedman_statistic is None
        assert found.friedman_p is None


@pytest.mark.parametrize("results", [np.ones((3, 1)), np.ones(3), np.array([[1.0, np.nan, 2.0]]), np.ones((0, 3))])
def test_ranks_need_every_method_on_every_dataset(results: FloatArray) -> None:
    with pytest.raises(ValueError, match="table"):
        ranks_over_datasets(results, ["a", "b", "c"])


# the quality of a ranking


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


# the noise ceiling


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
    assert found.classes == 1206
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


# searches


def test_searches_are_summed_up_as_by_hand() -> None:
    accuracy = np.array([[80.0, 90.0, 92.0, 92.0], [80.0, 92.0, 92.0, 92.0]])
    score = np.array([[1.0, 2.0, 3.0, 0.0], [1.0, 2.5, 0.0, 0.0]])
    found = anytime(accuracy, score, 3.0)
    assert found.area.value == pytest.approx((88.5 + 89.0) / 2)
    # mean curve 80, 91, 92, 92; a run drawn alone stays near its end from step 3 or 2 on
    assert found.budget == Interval(3.0, 2.0, 3.0)
    assert anytime(accuracy, score, 3.0, tolerance=1.0).budget.value == 2.0
    assert found.best_found.value == 0.5


def test_steps_without_an_incumbent_are_left_out() -> None:
    accuracy = np.array([[np.nan, 90.0, 90.0], [80.0, 90.0, 90.0]])
    score = np.array([[-np.inf, 1.0, 1.0], [0.0, 1.0, 1.0]])
    found = anytime(accuracy, score, 1.0)
    assert found.area == Interval(90.0, 90.0, 90.0)
    assert found.budget == Interval(2.0, 2.0, 2.0)
    unknown = anytime(np.full((2, 3), np.nan), score, 1.0)
    assert np.isnan([unknown.area.value, unknown.budget.value]).all()
    assert unknown.best_found.value == 1.0


def test_one_search_has_no_bounds() -> None:
    found = anytime(np.array([[80.0, 90.0]]), np.array([[1.0, 2.0]]), 2.0)
    assert (found.area.value, found.budget.value) == (85.0, 2.0)
    assert np.isnan([found.area.low, found.area.high, found.budget.low, found.budget.high]).all()


def test_the_share_of_runs_that_find_the_best_has_an_interval_even_if_all_do() -> None:
    runs = 30
    score = np.full((runs, 5), 1e6 / 3)
    found = anytime(np.full((runs, 5), 90.0), score, 1e6 / 3 * (1 + 1e-15))
    # Wilson's lower bound where all succeed: n / (n + z²)
    assert found.best_found.low == pytest.approx(runs / (runs + 1.96**2), abs=1e-4)
    assert [found.best_found.value, found.best_found.high] == pytest.approx([1.0, 1.0])


def test_accuracies_and_scores_are_of_the_same_steps() -> None:
    with pytest.raises(ValueError, match="one shape"):
        anytime(np.ones((2, 3)), np.ones((2, 4)), 1.0)


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 20)), elements=st.floats(10, 95)))
def test_the_mean_curve_stays_near_its_end_from_the_budget_on(accuracy: FloatArray) -> None:
    found = anytime(accuracy, accuracy, accuracy.max(), resamples=20)
    mean = accuracy.mean(axis=0)
    settled = int(found.budget.value) - 1
    assert (np.abs(mean[settled:] - mean[-1]) <= 0.5 + 1e-9).all()
    assert settled == 0 or abs(mean[settled - 1] - mean[-1]) > 0.5 - 1e-9
    assert 1 <= found.budget.low <= found.budget.high <= accuracy.shape[1]
    assert found.best_found.value >= 1 / len(accuracy)
