"""Sweeps as a user meets them: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT, RunProgram
from tests.job_files import SMALL, only, rows, without_seconds


def test_a_sweep_runs_every_combination_once_and_closes_with_one_table(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "metric=synflow,synflow", "algo=rs,rea", "algo.N=20", "runs=2", "name=all", *SMALL)
    done = program(*sweep)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 jobs finished" in done.stdout
    results = rows(tmp_path / "multirun_sweeps/all/results.csv")
    assert [row["algo"] for row in results] == ["rs", "rea"]
    for row in results:
        summary = json.loads((tmp_path / "multirun_sweeps/all" / row["job"] / "summary.json").read_text())
        assert row["best_arch_str"] == summary["best_arch_str"]
        assert float(row["val_acc_mean"]) == summary["val_acc_mean"]
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("part-*")}
    assert parts
    again = program(*sweep)
    assert "they are kept" not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("part-*")} == parts


def test_a_failed_job_leaves_the_others_and_is_named(program: RunProgram, tmp_path: Path) -> None:
    done = program("-m", "metric=val_acc,synflow", "algo.N=20", "runs=1", "name=mixed", *SMALL)
    assert done.returncode == 1
    assert "1 of 2 jobs finished" in done.stdout
    assert "metric=val_acc,algo.N=20" in done.stderr
    assert "benchmark=bundled has no 12-epoch accuracies" in done.stderr
    assert "Traceback" not in done.stderr
    (row,) = rows(tmp_path / "multirun_sweeps/mixed/results.csv")
    assert row["metric"] == "synflow"
    error = only(tmp_path / "multirun_sweeps/mixed", "metric=val_acc*/error.txt").read_text()
    assert error.count("\n") == 1


def test_a_killed_worker_is_told_and_the_table_still_closes(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal\ndef search(score, space, rng, *, N: int):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    (tmp_path / "algo").mkdir()
    (tmp_path / "algo/deadly.yaml").write_text("name: deadly\n_target_: deadly.search\nN: 1\n", encoding="utf-8")
    done = program(
        "--config-dir", str(tmp_path), "-m", "algo=rs,deadly", "algo.N=5", "runs=1", "name=dead", *SMALL,
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    assert "jobs finished" in done.stdout
    assert "the sweep ended with TerminatedWorkerError" in done.stderr
    assert (tmp_path / "multirun_sweeps/dead/results.csv").exists()


def test_a_sweep_that_could_not_start_does_not_count_earlier_results(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "algo.N=5,6", "runs=1", "name=again", *SMALL)
    assert program(*sweep).returncode == 0
    done = program(*sweep, "hydra.launcher.n_jobs=0")
    assert done.returncode == 1
    assert "0 of 2 jobs finished" in done.stdout
    assert done.stderr.count("the sweep ended with ValueError") == 2


def test_flags_may_stand_anywhere(program: RunProgram, tmp_path: Path) -> None:
    assert program("algo=rs", "-m", "algo.N=2,3", "runs=1", "name=flag", *SMALL).returncode == 0
    assert len(rows(tmp_path / "multirun_sweeps/flag/results.csv")) == 2


def test_an_interrupted_sweep_still_closes(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\ndef search(score, space, rng, *, N: int):\n    time.sleep(300)\n", encoding="utf-8"
    )
    (tmp_path / "algo").mkdir()
    (tmp_path / "algo/slow.yaml").write_text("name: slow\n_target_: slow.search\nN: 1\n", encoding="utf-8")
    process = subprocess.Popen(
        [
            sys.executable, str(ROOT / "run.py"), "--config-dir", str(tmp_path), "-m", "algo=rs,slow", "algo.N=5",
            "runs=1", "name=cut", *SMALL,
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path), "NAS_EXP_DATA": str(tmp_path / "data")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # where the tests run in the background, Ctrl-C is ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("multirun_sweeps/cut/algo=rs*/summary.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 2 jobs finished" in stdout
    assert "error: interrupted" in stderr
    assert len(rows(tmp_path / "multirun_sweeps/cut/results.csv")) == 1


def test_metrics_with_images_are_scored_live_in_a_sweep(program: RunProgram, tmp_path: Path, test_data: Path) -> None:
    sweep = (
        "-m", "metric=relu,naswot,grad_norm", f"dataset.root={test_data / 'images'}", "metric.batch_size=8",
        "runs=1", "algo.N=10", "algo.P=5", *SMALL,
    )  # fmt: skip
    done = program(*sweep, "name=first")
    assert done.returncode == 0, done.stderr
    results = rows(tmp_path / "multirun_sweeps/first/results.csv")
    assert [row["metric"] for row in results] == ["relu", "naswot", "grad_norm"]
    again = program(*sweep, "name=second")
    assert "they are kept" in done.stdout
    assert "they are kept" not in again.stdout
    for row in results:
        folder = f"{row['job']}/runs.csv"
        first, second = (tmp_path / "multirun_sweeps" / name / folder for name in ("first", "second"))
        assert without_seconds(first) == without_seconds(second)


def test_the_papers_grid_runs_as_far_as_the_benchmark_goes(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=paper", "metric=val_acc,synflow", "dataset=cifar10,cifar100", "algo.N=20", "runs=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("benchmark=bundled has no 12-epoch accuracies") == 1
    assert "4 of 8 jobs are left out" in done.stdout
    sweep = tmp_path / "multirun_sweeps/paper"
    results = rows(sweep / "results.csv")
    assert [(row["dataset"], row["metric"], row["algo"]) for row in results] == [
        (dataset, "synflow", algo) for dataset in ("cifar10", "cifar100") for algo in ("rs", "rea")
    ]
    told = json.loads((sweep / "jobs.json").read_text())
    assert [job["folder"] for job in told["jobs"]] == [row["job"] for row in results]
    assert all("metric=val_acc" in job["overrides"] for job in told["skipped"])


def test_populations_and_tournaments_vary_together(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=ablation_rea", "metric=synflow", "dataset=cifar10", "algo.N=20", "runs=1")
    assert done.returncode == 0, done.stderr
    results = rows(tmp_path / "multirun_sweeps/ablation_rea/results.csv")
    assert [(row["P"], row["S"]) for row in results] == [
        ("100", "2"), ("100", "50"), ("20", "20"), ("20", "10"), ("100", "25"), ("64", "16"),
    ]  # fmt: skip


def test_every_experiment_composes(program: RunProgram) -> None:
    for experiment in sorted((ROOT / "conf/experiment").glob("*.yaml")):
        done = program(f"+experiment={experiment.stem}", "--cfg", "job")
        assert done.returncode == 0, done.stderr
