"""Searches with more than one score, end to end."""

import csv
import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from nas_exp.benchmarks import Benchmark, table
from nas_exp.notebook import configure, known_scores
from nas_exp.search.costs import costs_of
from tests.conftest import RunProgram, StartProgram
from tests.job_files import BASIC, SMALL, rows, scores_of, without_seconds
from tests.topology import TOPOLOGY


def made_up(tables: Path) -> Benchmark:
    return table.read(tables / "cifar10.csv", "cifar10", TOPOLOGY, name="table")


def test_two_stages_are_told_apart_in_all_files(program: RunProgram, tmp_path: Path, tables: Path) -> None:
    done = program(
        "algo=two_stage", "algo.N=40", "algo.k=5", "runs=2", "name=two",
        "benchmark=table", f"benchmark.path={tables}", *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder, benchmark = tmp_path / "outputs/two", made_up(tables)
    summary = json.loads((folder / "summary.json").read_text())
    assert {key: summary[key] for key in ("metric", "algo", "N", "k", "P", "final")} == {
        "metric": "synflow", "algo": "two_stage", "N": 40, "k": 5, "P": None, "final": "val_acc",
    }  # fmt: skip
    steps = pq.read_table(folder / "trajectory.parquet").to_pandas()
    synflow = scores_of(tmp_path / "data")
    for number, row in enumerate(rows(folder / "runs.csv")):
        run = steps[steps["run"] == number]
        assert run["stage"].tolist() == [0] * 40 + [1] * 5
        first, second = run[:40], run[40:]
        assert first["score"].tolist() == [synflow[arch] for arch in first["arch_index"]]
        assert second["score"].tolist() == benchmark.columns["short_val_acc"][second["arch_index"]].tolist()
        assert set(second["arch_index"]) == set(first.nlargest(5, "score")["arch_index"])
        best = int(second.loc[second["score"].idxmax(), "arch_index"])
        assert (int(row["arch_index"]), float(row["score"])) == (best, second["score"].max())
        assert float(row["val_acc"]) == benchmark.columns["val_acc"][best]
        assert row["scored"] == "45"
        # costs of both stages
        training = benchmark.columns["short_seconds"] + benchmark.columns["short_val_seconds"]
        spent = run["seconds"].to_numpy()
        np.testing.assert_allclose(np.diff(spent[39:]), training[second["arch_index"]], rtol=1e-9)
        assert 0 < spent[39] < 40
        assert float(row["seconds"]) > spent[-1]


def test_the_metrics_of_an_algorithm_are_part_of_what_a_job_is(
    program: RunProgram, tmp_path: Path, tables: Path
) -> None:
    done = program(
        "-m", BASIC, "algo=two_stage", "algo.N=40", "algo.k=5", "runs=1", "name=s",
        "metric@algo.final=val_acc,synflow", "benchmark=table", f"benchmark.path={tables}", *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "multirun_sweeps/s/results.csv", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["final"] for row in found] == ["val_acc", "synflow"]
    assert found[0]["config_hash"] != found[1]["config_hash"]


def test_a_grid_leaves_out_algorithms_whose_second_metric_the_benchmark_lacks(
    program: RunProgram, tmp_path: Path
) -> None:
    done = program(
        "-m", "algo=rs,two_stage", "algo.N=30", "runs=1", "name=s", "hydra.sweeper.skip_unavailable=true", BASIC, *SMALL
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 2 jobs are left out: metric=val_acc: benchmark=bundled has no 12-epoch accuracies" in done.stdout


@pytest.mark.parametrize("N", ["null", "15625"])
def test_no_n_is_the_whole_space(program: RunProgram, tmp_path: Path, test_data: Path, N: str) -> None:
    done = program(
        "algo=two_stage", f"algo.N={N}", "runs=1", "name=w", "benchmark=table", f"benchmark.path={test_data / 'nb201'}"
    )
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "outputs/w/runs.csv")
    assert row["scored"] == "15655"
    assert json.loads((tmp_path / "outputs/w/summary.json").read_text())["N"] == 15625


@pytest.mark.slow
def test_a_sweep_at_equal_cost_is_run_and_reported(program: RunProgram, tmp_path: Path) -> None:
    done = program("-m", "algo=rs,rea,ls", "algo.N=null", "algo.seconds=2", "runs=3", "name=equal", BASIC)
    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "multirun_sweeps/equal"
    for folder in sweep.glob("algo=*"):
        steps = pq.read_table(folder / "trajectory.parquet").to_pandas().groupby("run")
        assert steps["seconds"].max().between(1.5, 2).all()
        assert steps.size().tolist() == [int(row["scored"]) for row in rows(folder / "runs.csv")]
        assert steps.size().nunique() > 1
        assert json.loads((folder / "summary.json").read_text())["budget_seconds"] == 2
    done = program("task=report", f"sweep={sweep}")
    assert done.returncode == 0, done.stderr
    assert (sweep / "report/figure-2.png").exists()


@pytest.mark.slow
def test_scores_that_are_computed_count_as_those_from_the_table(program: RunProgram, tmp_path: Path) -> None:
    for name in ("computed", "read"):
        done = program("algo=rs", "algo.N=500", "algo.seconds=0.5", "runs=1", f"name={name}", *SMALL)
        assert done.returncode == 0, done.stderr
    computed, read = (tmp_path / "outputs" / name / "trajectory.parquet" for name in ("computed", "read"))
    assert computed.read_bytes() == read.read_bytes()
    # the one that went beyond the budget is computed too, and those of networks that are equal to one another are kept
    steps = pq.read_table(computed)["seconds"].to_pylist()
    assert 1 < len(steps) < len(scores_of(tmp_path / "data"))
    assert steps[-1] <= 0.5


def test_an_assisted_evolution_pays_for_its_sample(program: RunProgram, tmp_path: Path, tables: Path) -> None:
    done = program(
        "metric=val_acc", "algo=area", "algo.M=100", "algo.N=15", "algo.P=10", "runs=2", "name=a",
        "benchmark=table", f"benchmark.path={tables}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder, benchmark = tmp_path / "outputs/a", made_up(tables)
    summary = json.loads((folder / "summary.json").read_text())
    assert [summary[key] for key in ("metric", "proxy", "M", "N", "P", "S")] == ["val_acc", "relu", 100, 15, 10, 10]
    relu = known_scores(configure("metric=relu"))
    training = benchmark.columns["short_seconds"] + benchmark.columns["short_val_seconds"]
    steps = pq.read_table(folder / "trajectory.parquet").to_pandas()
    for number, row in enumerate(rows(folder / "runs.csv")):
        run = steps[steps["run"] == number]
        assert run["stage"].tolist() == [0] * 100 + [1] * 25
        sample, trained = run["arch_index"][:100], run["arch_index"][100:]
        assert run["score"].tolist() == [*relu.score[sample], *benchmark.columns["short_val_acc"][trained]]
        np.testing.assert_allclose(run["seconds"], np.cumsum([*relu.seconds[sample], *training[trained]]), rtol=1e-9)
        assert float(row["score"]) == benchmark.columns["short_val_acc"][trained].max()
        assert row["scored"] == "125"


@pytest.mark.parametrize("cost", ["params", "flops", "latency"])
@pytest.mark.slow
def test_two_objectives_end_in_a_pareto_front(
    program: RunProgram, new_program: RunProgram, tmp_path: Path, tables: Path, cost: str
) -> None:
    for name, run in (("a", program), ("b", new_program)):
        done = run(
            "algo=nsga2", f"algo.cost={cost}", "algo.N=60", "algo.P=20", "runs=2", f"name={name}",
            "benchmark=table", f"benchmark.path={tables}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    a, b = tmp_path / "outputs/a", tmp_path / "outputs/b"
    for file in ("pareto.csv", "pareto.png", "trajectory.parquet", "trajectory.png"):
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert (a / "pareto.png").read_bytes().startswith(b"\x89PNG")
    benchmark, summary = made_up(tables), json.loads((a / "summary.json").read_text())
    costs = costs_of(cost, TOPOLOGY, configure().built_for, lambda: benchmark)  # type: ignore[arg-type]
    costs_of_all = costs(range(len(TOPOLOGY)))
    front = rows(a / "pareto.csv")
    assert list(front[0]) == ["run", "arch_index", "arch_str", "score", "cost", "val_acc", "test_acc"]
    steps = pq.read_table(a / "trajectory.parquet").to_pandas()
    highest, volumes = float(costs_of_all.max()), []
    for number in (0, 1):
        scored = {
            arch: (score, costs_of_all[arch])
            for run, arch, score in zip(steps["run"], steps["arch_index"], steps["score"], strict=True)
            if run == number
        }
        best = [
            arch
            for arch, (score, price) in scored.items()
            if not any(s >= score and c <= price and (s, c) != (score, price) for s, c in scored.values())
        ]
        found = [row for row in front if row["run"] == str(number)]
        assert [int(row["arch_index"]) for row in found] == sorted(best, key=lambda arch: (costs_of_all[arch], arch))
        for row in found:
            arch = int(row["arch_index"])
            assert (float(row["score"]), float(row["cost"])) == scored[arch]
            assert float(row["test_acc"]) == benchmark.columns["test_acc"][arch]
        # from the cheapest on, the best accuracy so far beats what costs more than it
        prices = [float(row["cost"]) for row in found] + [highest]
        levels = np.maximum.accumulate([float(row["test_acc"]) for row in found])
        volumes.append(float((levels * np.diff(prices)).sum() / (100 * highest)))
    assert summary["cost"] == cost
    assert summary["hypervolume_reference_cost"] == highest
    assert summary["test_hypervolume_mean"] == pytest.approx(np.mean(volumes))
    assert summary["test_hypervolume_std"] == pytest.approx(np.std(volumes, ddof=1))
    assert 0 < summary["val_hypervolume_mean"] < 1
    assert summary["front_size_mean"] == len(front) / 2


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["tpe", "nsga2"])
def test_a_killed_search_computes_no_score_again(
    program: RunProgram, start_program: StartProgram, tmp_path: Path, algo: str
) -> None:
    # networks large enough to take longer than what a kill may cost, and that no shipped table is of
    search = (f"algo={algo}", "algo.N=120", "runs=1", "network.N=60", "name=killed")
    process = start_program(*search)
    limit = time.monotonic() + 120
    while not list((tmp_path / "data").glob("scores/cifar10/synflow-*/part-*.parquet")):
        assert process.poll() is None, "the search was over before anything was kept"
        assert time.monotonic() < limit
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kept = scores_of(tmp_path / "data")
    assert not (tmp_path / "outputs/killed/summary.json").exists()
    done = program(*search)
    assert done.returncode == 0, done.stderr
    (computed,) = re.findall(r"computed (\d+) scores", done.stdout)
    after = scores_of(tmp_path / "data")
    assert kept.items() <= after.items()
    assert int(computed) == len(after) - len(kept)
    # and it comes to what a search without a kill comes to, from a table of its own
    done = program(*search, "name=whole", NAS_EXP_DATA=str(tmp_path / "other"))
    assert done.returncode == 0, done.stderr
    assert without_seconds(tmp_path / "outputs/killed/runs.csv") == without_seconds(tmp_path / "outputs/whole/runs.csv")
    assert scores_of(tmp_path / "other") == after
