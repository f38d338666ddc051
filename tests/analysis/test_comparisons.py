import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from nas_exp.analysis.anytime import anytime
from nas_exp.analysis.comparisons import Comparison, between, compare_pairs, ranks_over_datasets
from nas_exp.analysis.intervals import Interval
from nas_exp.arrays import FloatArray


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


def test_a_comparison_can_be_seen_from_both_sides() -> None:
    (found,) = compare_pairs({"a": np.array([91.0, 92.0, 93.0, 94.0]), "b": np.array([90.0, 90.0, 95.0, 90.0])})
    assert between([found], "a", "b") is found
    assert (found.median_difference, found.superiority) == (1.5, 0.75)
    assert between([found], "b", "a") == Comparison("b", "a", 4, -1.5, 0.25, found.p, found.p_holm)
    assert between([found], "a", "c") is None


def test_one_method_has_nobody_to_be_compared_with() -> None:
    assert compare_pairs({"a": np.array([90.0])}) == []


@settings(deadline=None, max_examples=8)
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
