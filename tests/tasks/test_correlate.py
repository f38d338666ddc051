import numpy as np
import pytest
from scipy import stats

from nas_exp.tasks.correlate import correlations


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
def test_scores_that_are_not_finite_rank_last(value: float) -> None:
    score = np.array([value, value, 1.0, 2.0, 3.0])
    as_worst = np.array([0.0, 0.0, 1.0, 2.0, 3.0])
    accuracy = np.array([30.0, 10.0, 20.0, 40.0, 50.0])
    assert correlations(score, accuracy, top=1.0) == correlations(as_worst, accuracy, top=1.0)


def test_where_all_are_equal_there_is_no_correlation() -> None:
    found = correlations(np.ones(30), np.arange(30.0), top=0.1)
    assert found == {"rho": None, "tau": None, "rho_top": None, "tau_top": None}
