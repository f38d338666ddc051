from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_exp.analysis.comparisons import compare_pairs
from nas_exp.notebook import configure
from nas_exp.report.equal_cost import at_equal_cost
from nas_exp.report.paper.numbers import PAPER
from nas_exp.report.sweep import FinishedJob, FinishedSweep
from nas_exp.storage.parquet import write_columns
from tests.plain_runs import Run, found_at

RS, REA = ("synflow", "rs"), ("synflow", "rea")


def job(folder: Path, runs: Sequence[Run], *overrides: str) -> FinishedJob:
    """A search that has gone like this."""
    steps = [len(run) for run in runs]
    seconds, accuracy = np.array([step for run in runs for step in run], dtype=np.float64).T
    folder.mkdir()
    write_columns(
        folder / "trajectory.parquet",
        {
            "run": np.repeat(np.arange(len(runs)), steps),
            **dict.fromkeys(("score", "best_arch_index"), np.zeros(sum(steps))),
            **dict.fromkeys(("val_acc", "test_acc"), accuracy),
            "seconds": seconds,
        },
    )
    found = np.array([run[-1][1] for run in runs])
    return FinishedJob(
        folder, configure(*overrides), {}, runs={"scored": np.array(steps, dtype=float), "test_acc": found}
    )


def sweep_of(folder: Path, *jobs: FinishedJob) -> FinishedSweep:
    return FinishedSweep(folder, "search", list(jobs), reference=PAPER)


TWO_RUNS = [[(1.0, 50.0), (4.0, 60.0), (9.0, 70.0)], [(2.0, 52.0), (3.0, 64.0)]]


def test_a_curve_begins_where_all_runs_have_found_something_and_ends_with_the_last(tmp_path: Path) -> None:
    unlucky = [[(0.5, np.nan), *TWO_RUNS[0]], TWO_RUNS[1]]
    found = at_equal_cost(sweep_of(tmp_path, job(tmp_path / "rs", unlucky, "algo=rs")), {"cifar10": 75.0})["cifar10"]
    (curve,) = found.curves.values()
    assert (curve.seconds[0], curve.seconds[-1]) == (2.0, 9.0)
    means = [np.mean([found_at(run, cost) for run in TWO_RUNS]) for cost in curve.seconds]
    np.testing.assert_allclose(curve.accuracy.value, means)
    assert sorted(set(curve.accuracy.value)) == [51.0, 57.0, 62.0, 67.0]
    assert (curve.accuracy.low <= curve.accuracy.value).all()
    assert (found.budgets, found.optimum, found.timeless) == ([], 75.0, [])


def test_a_search_that_has_ended_keeps_what_it_has_found(tmp_path: Path) -> None:
    long = job(tmp_path / "rea", [[(3.0, 40.0), (100.0, 80.0)]], "algo=rea")
    found = at_equal_cost(sweep_of(tmp_path, job(tmp_path / "rs", TWO_RUNS, "algo=rs"), long), {})["cifar10"]
    assert list(found.curves) == [RS, REA]
    assert found.curves[RS].seconds[-1] == found.curves[REA].seconds[-1] == 100.0
    assert found.curves[RS].accuracy.value[-1] == 67.0
    assert found.optimum is None


def test_a_curve_is_of_the_job_with_the_smallest_budget_that_is_enough(tmp_path: Path) -> None:
    small = job(tmp_path / "a", [[(1.0, 10.0), (2.0, 20.0)]], "algo=rs", "algo.seconds=3")
    large = job(tmp_path / "b", [[(1.0, 30.0), (5.0, 40.0)]], "algo=rs", "algo.N=7", "algo.seconds=6")
    sweep = sweep_of(tmp_path, large, small)
    (curve,) = at_equal_cost(sweep, {})["cifar10"].curves.values()
    expected = {10.0: (1, 2), 20.0: (2, 3), 30.0: (3, 5), 40.0: (5, 6)}
    for accuracy, (start, end) in expected.items():
        within = curve.seconds[curve.accuracy.value == accuracy]
        assert start <= within[0] < start + 0.1
        assert end - 0.1 < within[-1] <= end
    assert sweep.main_jobs == {("cifar10", RS): large}


def test_searches_within_a_budget_are_compared_over_their_runs(tmp_path: Path) -> None:
    runs = [[(1.0, 50.0 + run), (4.0, 60.0 - run), (8.0, 70.0)] for run in range(6)]
    worse = [[(2.0, 48.0 + run), (3.0, 52.0 - run)] for run in range(6)]
    jobs = [
        job(tmp_path / "rs", runs, "algo=rs"),
        job(tmp_path / "rea", worse, "algo=rea", "algo.seconds=4"),
        job(tmp_path / "ls", worse, "algo=ls", "algo.seconds=2.5"),
    ]
    small, large = at_equal_cost(sweep_of(tmp_path, *jobs), {})["cifar10"].budgets
    assert (small.seconds, large.seconds) == (2.5, 4.0)
    assert {search: accuracy.tolist() for search, accuracy in small.found.items()} == {
        RS: [50, 51, 52, 53, 54, 55], REA: [48, 49, 50, 51, 52, 53], ("synflow", "ls"): [48, 49, 50, 51, 52, 53]
    }  # fmt: skip
    assert small.scored == {RS: 1, REA: 1, ("synflow", "ls"): 1}
    # what had less is not known
    assert {search: accuracy.tolist() for search, accuracy in large.found.items()} == {
        RS: [60, 59, 58, 57, 56, 55], REA: [52, 51, 50, 49, 48, 47]
    }  # fmt: skip
    assert large.scored == {RS: 2, REA: 2}
    assert large.comparisons == compare_pairs({"SynFlow + RS": large.found[RS], "SynFlow + REA": large.found[REA]})


def test_a_search_that_has_found_nothing_yet_is_left_out_of_a_budget(tmp_path: Path) -> None:
    late = job(tmp_path / "rea", [[(5.0, 90.0)], [(1.0, 80.0)]], "algo=rea")
    budgeted = job(tmp_path / "rs", TWO_RUNS, "algo=rs", "algo.seconds=4")
    (budget,) = at_equal_cost(sweep_of(tmp_path, late, budgeted), {})["cifar10"].budgets
    assert list(budget.found) == [RS]


def test_searches_of_unknown_cost_are_named_and_left_out(tmp_path: Path) -> None:
    timeless = job(tmp_path / "rea", [[(0.0, 40.0), (0.0, 50.0)]], "algo=rea")
    found = at_equal_cost(sweep_of(tmp_path, job(tmp_path / "rs", TWO_RUNS, "algo=rs"), timeless), {})["cifar10"]
    assert found.timeless == [REA]
    assert list(found.curves) == [RS]


def test_a_search_that_finds_nothing_has_no_curve(tmp_path: Path) -> None:
    nothing = job(tmp_path / "rs", [[(1.0, np.nan)], [(1.0, 50.0)]], "algo=rs")
    found = at_equal_cost(sweep_of(tmp_path, nothing), {})["cifar10"]
    assert (found.curves, found.timeless) == ({}, [])
