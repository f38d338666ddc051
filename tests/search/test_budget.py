"""Budgets in seconds, for every algorithm of conf/algo/."""

import math
from typing import Any

import numpy as np
import pytest

from nas_exp.algos import Trajectory, rs
from nas_exp.config.types import Algo
from nas_exp.errors import InputError
from nas_exp.notebook import configure
from nas_exp.scoring.scorer import TableScorer
from nas_exp.search.budget import Budget
from nas_exp.search.run import Run, run_search
from tests.config.test_conf import files
from tests.topology import SIZE, TOPOLOGY, made_up, table_scorer

RNG = np.random.default_rng(0)
BENCHMARK = made_up(RNG)


def scorer() -> TableScorer:
    """Scores and times as by chance; some scores are not finite, some have taken no known time."""
    score, seconds = RNG.normal(size=SIZE), RNG.exponential(size=SIZE)
    unknown = RNG.choice(SIZE, 1000, replace=False)
    score[unknown], seconds[unknown] = math.nan, math.nan
    return table_scorer(score, seconds)


SCORERS = {name: scorer() for name in ("score", "final", "proxy")}


def arguments(algo: Algo) -> dict[str, Any]:
    if algo.cost is None:
        return algo.arguments
    return {**algo.arguments, "cost": lambda archs: BENCHMARK.of("val_acc", archs)}


def run(algo: str, seconds: float | None, *overrides: str) -> Run:
    configured = configure(f"algo={algo}", "algo.N=60", *overrides).algo
    return run_search(
        configured.function,
        TOPOLOGY,
        SCORERS["score"],
        BENCHMARK,
        seed=np.random.SeedSequence(3),
        arguments=arguments(configured),
        others={name: SCORERS[name] for name in configured.metrics},
        seconds=seconds,
    )


def assert_equal_steps(found: Trajectory, expected: Trajectory, steps: int) -> None:
    assert found.arch_index.tolist() == expected.arch_index[:steps].tolist()
    np.testing.assert_array_equal(found.score, expected.score[:steps])
    assert (found.stage is None) == (expected.stage is None)
    if found.stage is not None and expected.stage is not None:
        assert found.stage.tolist() == expected.stage[:steps].tolist()
        assert found.stages == expected.stages[: len(found.stages)]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
@pytest.mark.parametrize("algo", files("algo"))
def test_a_search_within_a_budget_is_the_beginning_of_one_without(algo: str, share: float) -> None:
    whole = run(algo, None)
    budget = share * float(whole.seconds[-1])
    part = run(algo, budget)
    steps = len(part.best_arch_index)
    assert part.seconds[-1] <= budget < whole.seconds[steps]
    assert_equal_steps(part.trajectory, whole.trajectory, steps)
    assert part.best_arch_index.tolist() == whole.best_arch_index[:steps].tolist()
    np.testing.assert_array_equal(part.seconds, whole.seconds[:steps])


@pytest.mark.parametrize("algo", files("algo"))
def test_a_budget_that_is_enough_changes_nothing(algo: str) -> None:
    whole = run(algo, None)
    for budget in (float(whole.seconds[-1]), 1e9):
        assert_equal_steps(run(algo, budget).trajectory, whole.trajectory, len(whole.best_arch_index))


@pytest.mark.parametrize("algo", files("algo"))
def test_an_algorithms_trajectory_is_what_it_has_asked_for(algo: str) -> None:
    configured = configure(f"algo={algo}", "algo.N=60").algo
    budget = Budget({name: SCORERS[name] for name in ("score", *configured.metrics)}, math.inf)
    others = {name: budget.score(name) for name in configured.metrics}
    found = configured.function(
        budget.score("score"), TOPOLOGY, np.random.default_rng(1), **others, **arguments(configured)
    )
    assert_equal_steps(budget.trajectory(), found, len(found.arch_index))


def test_without_n_the_seconds_alone_end_a_search() -> None:
    whole, part = run("rs", None, "algo.N=null"), run("rs", 50.0, "algo.N=null")
    assert len(whole.best_arch_index) == SIZE
    assert part.seconds[-1] <= 50 < whole.seconds[len(part.best_arch_index)]


def test_a_budget_for_no_score_at_all_is_refused() -> None:
    with pytest.raises(InputError, match=r"^algo\.seconds=1e-09: not enough for one score; the first takes [\d.]+$"):
        run("rea", 1e-9)


def test_scores_that_took_nobody_knows_how_long_fit_into_no_budget() -> None:
    timeless = table_scorer(np.ones(SIZE), np.full(SIZE, np.nan))
    with pytest.raises(InputError, match=r"^algo\.seconds=9: nothing says what the score of architecture \d+ took; "):
        run_search(
            rs.search, TOPOLOGY, timeless, BENCHMARK,
            seed=np.random.SeedSequence(0), arguments={"N": 5}, seconds=9,
        )  # fmt: skip
