"""What a run reports about what its algorithm has done."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from nas_exp.algos import Trajectory, rea
from nas_exp.errors import InputError
from nas_exp.scoring.scorer import Scorer, TableScorer
from nas_exp.scoring.table import Scores
from nas_exp.search.results import summarise, write_runs
from nas_exp.search.run import Outcome, Run, run_search
from tests.conftest import ROOT, RunProgram, environment_in
from tests.topology import SIZE, TOPOLOGY, made_up, table_scorer

RNG = np.random.default_rng(0)
SCORE, SECONDS = RNG.normal(size=SIZE), RNG.random(SIZE)
BENCHMARK = made_up(RNG)


def scored(scorer: Scorer, *archs: int) -> Run:
    """A run of an algorithm that scores given architectures."""
    return run_search(
        lambda score, space, rng: Trajectory(np.array(archs), np.array(score(archs))),
        TOPOLOGY, scorer, BENCHMARK, seed=np.random.SeedSequence(0), arguments={},
    )  # fmt: skip


def test_accuracies_are_those_of_the_incumbent_after_200_epochs() -> None:
    run = scored(table_scorer(np.arange(SIZE, dtype=float), SECONDS), 5, 3, 9)
    assert run.best_arch_index.tolist() == [5, 5, 9]
    np.testing.assert_array_equal(run.val_acc, BENCHMARK.columns["val_acc"][[5, 5, 9]])
    np.testing.assert_array_equal(run.test_acc, BENCHMARK.columns["test_acc"][[5, 5, 9]])
    assert run.best_score == 9


def test_a_score_that_is_not_there_and_cannot_be_computed_is_told() -> None:
    known = np.arange(1, SIZE, 4)
    scorer = TableScorer(Scores(known, SCORE[known], SECONDS[known]), SIZE)
    assert list(scorer([5, 9])) == SCORE[[5, 9]].tolist()
    with pytest.raises(InputError, match="there are 3,906 scores of 15,625 architectures, and the metric needs images"):
        scorer([5, 6])


def test_cost_is_the_sum_of_what_the_scores_took_and_the_own_time() -> None:
    run = scored(table_scorer(SCORE, SECONDS), 5, 3, 5)
    np.testing.assert_allclose(run.seconds, np.cumsum(SECONDS[[5, 3, 5]]))
    assert run.own_seconds > 0
    assert run.cost == run.seconds[-1] + run.own_seconds


def test_a_run_without_a_finite_score_has_no_incumbent(tmp_path: Path) -> None:
    run = scored(table_scorer(np.full(SIZE, np.inf), SECONDS), 5, 3)
    assert run.best_arch_index.tolist() == [-1, -1]
    assert np.isnan(run.val_acc).all()
    assert summarise([run.outcome], TOPOLOGY)["best_arch_str"] is None
    assert summarise([run.outcome], TOPOLOGY)["val_acc_mean"] is None
    write_runs(tmp_path / "runs.csv", [run.outcome], TOPOLOGY)
    (row,) = csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())
    assert [row[key] for key in ("arch_index", "arch_str", "score", "val_acc", "test_acc", "scored")] == [""] * 5 + [
        "2"
    ]


def outcome(val_acc: float, score: float, arch: int) -> Outcome:
    trajectory = Trajectory(np.array([arch]), np.array([score]))
    return Run(trajectory, np.array([arch]), np.array([val_acc]), np.array([np.nan]), np.array([2.0]), 1.0).outcome


def test_the_summary_holds_mean_sample_deviation_and_the_best_scored() -> None:
    summary = summarise([outcome(90, 1.0, 7), outcome(92, 3.0, 8), outcome(94, 2.0, 9)], TOPOLOGY)
    assert summary["val_acc_mean"] == pytest.approx(92)
    assert summary["val_acc_std"] == pytest.approx(2)
    assert summary["test_acc_mean"] is None
    assert summary["seconds_mean"] == pytest.approx(3)
    # the best by score: what is best by accuracy, a search cannot know
    assert summary["best_arch_str"] == "|none~0|+|none~0|none~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"


def test_one_run_has_no_deviation_and_a_gap_no_mean() -> None:
    assert summarise([outcome(90, 1.0, 7)], TOPOLOGY)["val_acc_std"] is None
    assert summarise([outcome(90, 1.0, 7), outcome(np.nan, 1.0, 8)], TOPOLOGY)["val_acc_mean"] is None


def test_run_r_draws_from_the_r_th_child_of_the_seed(program: RunProgram, tmp_path: Path) -> None:
    assert program("runs=3", "seed=5", "metric.seed=0", "algo.N=20", "name=r").returncode == 0
    recorded = pq.read_table(tmp_path / "outputs/r/trajectory.parquet").to_pandas()
    scores = dict(zip(recorded["arch_index"], recorded["score"], strict=True))
    for number, child in enumerate(np.random.SeedSequence(5).spawn(3)):
        expected = rea.search(
            lambda archs: [scores[arch] for arch in archs],
            TOPOLOGY,
            np.random.default_rng(child),
            N=20,
            P=20,
            S=10,
        )
        run = recorded[recorded["run"] == number]
        assert run["arch_index"].tolist() == expected.arch_index.tolist()
        assert run["step"].tolist() == list(range(40))


def test_costs_in_the_files_come_from_the_score_table(program: RunProgram, tmp_path: Path) -> None:
    assert program("runs=2", "algo.N=20", "name=c", "network.C=4", "network.N=1").returncode == 0
    (table,) = (tmp_path / "data/scores/cifar10").glob("synflow-*")
    rows = pq.read_table(table).to_pydict()
    seconds = dict(zip(rows["arch_index"], rows["seconds"], strict=True))
    recorded = pq.read_table(tmp_path / "outputs/c/trajectory.parquet").to_pandas()
    costs = []
    for number, row in enumerate(csv.DictReader((tmp_path / "outputs/c/runs.csv").read_text().splitlines())):
        run = recorded[recorded["run"] == number]
        expected = np.cumsum([seconds[arch] for arch in run["arch_index"]])
        np.testing.assert_allclose(run["seconds"], expected, rtol=1e-9)
        assert float(row["seconds"]) > expected[-1]
        costs.append(float(row["seconds"]))
    summary = json.loads((tmp_path / "outputs/c/summary.json").read_text())
    assert summary["seconds_mean"] == pytest.approx(np.mean(costs), abs=1e-5)


@pytest.mark.slow
def test_memory_does_not_grow_with_all_runs(tmp_path: Path) -> None:
    probe = (
        "import runpy, sys\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) // 1024)\n"
    )
    peaks = []
    for runs in (80, 320):  # of 0.75 MB each; 67 of them are a row group, which is held
        arguments = [str(ROOT / "run.py"), "algo=rs", "algo.N=null", f"runs={runs}", f"name=r{runs}"]
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.argv = {arguments}\n{probe}"],
            cwd=tmp_path, env=environment_in(tmp_path, PYTHONPATH=str(ROOT)),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 100  # all that is scored would be 180
