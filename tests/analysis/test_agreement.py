import numpy as np
import pytest
from scipy import stats

from nas_exp.analysis.agreement import agreement, alike_together
from nas_exp.scoring.table import Scores
from nas_exp.spaces.topology import SIZE


def scores(values: dict[int, float]) -> Scores:
    archs = sorted(values)
    return Scores(np.array(archs), np.array([values[arch] for arch in archs]), np.full(len(archs), np.nan))


def test_metrics_agree_as_far_as_both_know() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    b += a
    found = agreement([scores(dict(enumerate(a[:200]))), scores(dict(enumerate(b[100:], start=100)))])
    expected = stats.spearmanr(a[100:200], b[100:200]).statistic
    assert found == pytest.approx(np.array([[1.0, expected], [expected, 1.0]]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_rank_last_all_equal(value: float) -> None:
    accuracy = scores({0: 10.0, 1: 20.0, 2: 15.0, 3: 40.0})
    broken, worst = ({0: bad, 1: 2.0, 2: bad, 3: 1.0} for bad in (value, -1.0))
    assert agreement([accuracy, scores(broken)]) == pytest.approx(agreement([accuracy, scores(worst)]))


def test_without_two_in_common_or_any_difference_nothing_is_known_of_agreement() -> None:
    a, b, constant = scores({0: 1.0, 1: 2.0}), scores({1: 1.0, 2: 3.0}), scores(dict.fromkeys(range(SIZE), 1.0))
    found = agreement([a, b, constant])
    assert (np.diag(found) == 1).all()
    assert np.isnan(found[~np.eye(3, dtype=bool)]).all()


def test_metrics_that_agree_stand_together() -> None:
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    correlation = np.where(group[:, None] == group, 0.9, -0.2)
    np.fill_diagonal(correlation, 1.0)
    order = group[alike_together(correlation)]
    assert sorted(order) == sorted(group)
    # once left, a group does not come back
    assert np.count_nonzero(np.diff(order)) == 2


def test_what_is_not_known_to_agree_is_put_somewhere() -> None:
    correlation = np.full((4, 4), np.nan)
    np.fill_diagonal(correlation, 1.0)
    assert sorted(alike_together(correlation)) == [0, 1, 2, 3]
    assert alike_together(correlation[:2, :2]) == [0, 1]
    assert alike_together(np.empty((0, 0))) == []
