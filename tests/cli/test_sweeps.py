"""Sweeps as a user meets them: real processes, real files."""

import json
import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

from nas_exp.report.reading import read_sweep
from nas_exp.storage.locks import lock
from nas_exp.storage.summary import read_whole_summary, write_summary
from tests.conftest import ROOT, RunProgram, StartProgram
from tests.job_files import BASIC, DEADLY, SMALL, only, own_algorithm, rows, scores_of, without_seconds
from tests.topology import SIZE, str_of_index


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
    done = program("-m", "metric=val_acc,synflow", "algo.N=20", "runs=1", "name=mixed", BASIC, *SMALL)
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
    own = own_algorithm(tmp_path, "deadly", DEADLY)
    done = program(
        *own, "-m", "algo=rs,deadly", "algo.N=5", "runs=1", "name=dead",
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 of 2 jobs finished" in done.stdout
    assert "ended without a word: TerminatedWorkerError" in done.stderr
    (row,) = rows(tmp_path / "multirun_sweeps/dead/results.csv")
    assert row["algo"] == "rs"


def test_a_sweep_that_could_not_start_does_not_count_earlier_results(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "algo.N=5,6", "runs=1", "name=again")
    assert program(*sweep, BASIC).returncode == 0
    done = program(*sweep, "hydra.launcher.n_jobs=0", "rerun=all")
    assert done.returncode == 1
    assert "0 of 2 jobs finished" in done.stdout
    assert done.stderr.count("the sweep ended with ValueError") == 2


def test_run_again_a_sweep_does_what_is_missing(program: RunProgram, tmp_path: Path) -> None:
    sweep, folder = ("-m", "algo.N=5,6,7", "runs=1", "name=again", BASIC, *SMALL), tmp_path / "multirun_sweeps/again"
    assert program(*sweep).returncode == 0
    first = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/summary.json")}
    results = [(row["job"], row["best_arch_str"]) for row in rows(folder / "results.csv")]
    shutil.rmtree(folder / "algo.N=5,runs=1,network.C=4,network.N=1")
    cut = only(folder, "algo.N=6*/summary.json")
    cut.write_text('{"task": "sea')
    done = program(*sweep)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 jobs are not run again" in done.stdout
    assert "jobs of again: 2/2 jobs" in done.stdout
    again = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/summary.json")}
    assert [name for name in first if again[name] == first[name]] == ["algo.N=7,runs=1,network.C=4,network.N=1"]
    assert [(row["job"], row["best_arch_str"]) for row in rows(folder / "results.csv")] == results
    assert (cut.parent / "summary.json.damaged").read_text() == '{"task": "sea'
    # and with everything there, nothing
    assert "3 of 3 jobs are not run again" in program(*sweep).stdout
    # the same folders, other parameters
    (tmp_path / "images").mkdir()
    done = program(*sweep, "dataset.root=images")
    assert "3 of 3 jobs finished" in done.stdout
    assert "not run again" not in done.stdout
    assert len(list(folder.glob("*/summary.json"))) == 3


def write_table(file: Path, *, plus: float, quoted: bool = False) -> None:
    mark = '"' if quoted else ""
    lines = [f"{mark}{str_of_index(arch)}{mark},{10 + arch % 80 + plus}" for arch in range(SIZE)]
    file.write_text("\n".join(["arch_str,val_acc_200", *lines]))


def test_a_sweep_runs_again_what_has_asked_a_benchmark_that_says_something_else_now(
    program: RunProgram, tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    for dataset in ("cifar10", "cifar100"):
        write_table(tmp_path / f"t/{dataset}.csv", plus=0)
    sweep = (
        "-m", "dataset=cifar10,cifar100", "metric=synflow", "algo=rs", "algo.N=5", "runs=2", "benchmark=table",
        "benchmark.path=t", BASIC,
    )  # fmt: skip
    folder = tmp_path / "multirun_sweeps/kept"

    def ran(*more: str, returncode: int = 0) -> list[str]:
        """Run the sweep, and return of which datasets."""
        before = {path: path.stat().st_mtime_ns for path in folder.glob("*/summary.json")}
        done = program(*sweep, "name=kept", *more)
        assert done.returncode == returncode, done.stderr
        after = {path: path.stat().st_mtime_ns for path in folder.glob("*/summary.json")}
        return sorted(path.parent.name.split(",")[0] for path in after if after[path] != before.get(path))

    assert ran() == ["dataset=cifar10", "dataset=cifar100"]
    first = rows(folder / "results.csv")
    assert "benchmark_digest" not in first[0]
    write_table(tmp_path / "t/cifar100.csv", plus=0, quoted=True)
    assert ran() == []
    write_table(tmp_path / "t/cifar100.csv", plus=5)
    assert ran("rerun=failed", returncode=1) == []
    assert [row["dataset"] for row in rows(folder / "results.csv")] == ["cifar10"]
    assert "1 of 2 jobs to run" in program(*sweep, "name=kept", "dry_run=true").stdout
    assert ran() == ["dataset=cifar100"]
    again = rows(folder / "results.csv")
    changes = [float(new["val_acc_mean"]) - float(old["val_acc_mean"]) for old, new in zip(first, again, strict=True)]
    assert changes == pytest.approx([0, 5])
    old = only(folder, "dataset=cifar100*")
    write_summary(old, {key: value for key, value in read_whole_summary(old).items() if key != "benchmark_digest"})
    write_table(tmp_path / "t/cifar100.csv", plus=0)
    assert ran() == []
    (tmp_path / "t/cifar10.csv").write_text("<html>")
    assert ran() == []


def test_one_table_is_not_taken_for_several_datasets(program: RunProgram, tmp_path: Path) -> None:
    write_table(tmp_path / "mine.csv", plus=0)
    sweep = (
        "-m",
        "metric=params",
        "algo=rs",
        "algo.N=5",
        "runs=1",
        "benchmark=table",
        "benchmark.path=mine.csv",
        BASIC,
    )
    done = program(*sweep, "dataset=cifar10,cifar100", "name=both")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "mine.csv: found one table for cifar10, cifar100; expected a folder" in done.stderr
    assert not (tmp_path / "multirun_sweeps/both").exists()
    assert program(*sweep, "dataset=cifar100", "name=one").returncode == 0


@pytest.mark.slow
def test_a_sweep_that_fills_tables_is_about_the_folder_that_they_are_in(program: RunProgram, tmp_path: Path) -> None:
    score = ("-m", "task=score", "task.archs=[1],[2]", "name=score", BASIC, *SMALL)
    assert program(*score).returncode == 0
    assert "2 of 2 jobs are not run again" in program(*score, NAS_EXP_DATA="data").stdout  # the same folder
    done = program(*score, NAS_EXP_DATA="elsewhere")
    assert "2 of 2 jobs finished" in done.stdout
    assert "not run again" not in done.stdout
    assert sorted(scores_of(tmp_path / "elsewhere")) == [1, 2]
    # searches leave their results in the sweep, wherever scores are kept
    search = ("-m", "algo.N=5,6", "runs=1", "name=search", BASIC)
    assert program(*search).returncode == 0
    assert "2 of 2 jobs are not run again" in program(*search, NAS_EXP_DATA="elsewhere").stdout


@pytest.mark.slow
def test_a_report_does_not_take_results_of_other_parameters(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "algo.N=5,6", "runs=1", "name=mixed", BASIC, *SMALL)
    folder = tmp_path / "multirun_sweeps/mixed"
    assert program(*sweep).returncode == 0
    assert not read_sweep(folder).missing
    (tmp_path / "images").mkdir()
    only(folder, "algo.N=6*/summary.json").unlink()
    (only(folder, "algo.N=6*") / "error.txt").write_text("why")
    assert program(*sweep, "rerun=failed", "dataset.root=images").returncode == 1
    found = read_sweep(folder)
    assert [job.config.algo.arguments["N"] for job in found.jobs] == [6]
    (why,) = found.missing.values()
    assert "algo.N=5" in why
    assert "summary.json: a result of other parameters; not run with the sweep's" in why


def test_a_failed_job_can_be_run_again_alone(program: RunProgram, tmp_path: Path) -> None:
    own = own_algorithm(
        tmp_path,
        "moody",
        "import pathlib\nfrom nas_exp.algos import rs\n"
        "def search(score, space, rng, *, N: int):\n"
        "    if not pathlib.Path('good').exists():\n        raise ValueError('a bad day')\n"
        "    return rs.search(score, space, rng, N=N)\n",
    )
    sweep = (*own, "-m", "algo=rs,moody", "algo.N=5", "runs=1", BASIC, *SMALL)
    done = program(*sweep, "name=moody", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "ValueError: a bad day" in done.stderr
    assert "ValueError: a bad day" in only(tmp_path / "multirun_sweeps/moody", "algo=moody*/error.txt").read_text()
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("to run what is missing: ")]
    command = shlex.split(told.partition(": ")[2])
    assert command[:2] == ["python", str(ROOT / "run.py")]
    (tmp_path / "good").touch()
    again = program(*command[2:], "rerun=failed", PYTHONPATH=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "1 of 2 jobs are not run again" in again.stdout
    assert "2 of 2 jobs finished" in again.stdout
    assert not list(tmp_path.glob("multirun_sweeps/moody/*/error.txt"))


def test_a_job_that_exits_is_a_failed_job(program: RunProgram, tmp_path: Path) -> None:
    own = own_algorithm(tmp_path, "leaving", "import sys\ndef search(score, space, rng, *, N: int):\n    sys.exit(0)\n")
    sweep = (*own, "-m", "algo=leaving,rs", "algo.N=5", "runs=1", "name=left")
    done = program(*sweep, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "1 of 2 jobs finished" in done.stdout
    assert "SystemExit: 0" in only(tmp_path / "multirun_sweeps/left", "algo=leaving*/error.txt").read_text()


def test_a_dry_run_tells_which_jobs_cannot_run(program: RunProgram) -> None:
    done = program("-m", "metric=relu,synflow", "algo.N=5", "runs=1", *SMALL, "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "cannot run: dataset.root=null: metric=relu needs images" in " ".join(done.stdout.split())


def test_a_dry_run_lists_jobs_and_leaves_no_trace(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "algo.N=5,6", "runs=1", "name=dry", BASIC)
    done = program(*sweep, "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 jobs to run" in done.stdout
    assert not (tmp_path / "multirun_sweeps/dry").exists()
    assert program(*sweep).returncode == 0
    shutil.rmtree(only(tmp_path / "multirun_sweeps/dry", "algo.N=6*"))
    done = program(*sweep, "dry_run=true")
    assert "1 of 2 jobs to run" in done.stdout
    assert [line.split()[3] for line in done.stdout.splitlines() if "algo.N=" in line] == ["done", "left"]


def test_how_a_sweep_is_taken_up_is_no_matter_of_single_jobs(program: RunProgram, tmp_path: Path) -> None:
    for arguments, message in (
        (("dry_run=true",), "dry_run=true: is about the jobs of a sweep; expected -m"),
        (("rerun=all",), "rerun=all: is about the jobs of a sweep; expected -m"),
        (("-m", "rerun=some", "algo.N=5,6"), "rerun=some: the choices are missing, failed, all"),
    ):
        done = program(*arguments)
        assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert not (tmp_path / "outputs").exists() or not list((tmp_path / "outputs").iterdir())


def test_a_sweep_that_is_being_run_is_not_run_twice(program: RunProgram, tmp_path: Path) -> None:
    folder = tmp_path / "multirun_sweeps/busy"
    folder.mkdir(parents=True)
    with lock(folder, wait=False):
        done = program("-m", "algo.N=5,6", "runs=1", "name=busy", BASIC)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: multirun_sweeps/busy: process {os.getpid()} on ")
        assert done.stderr.endswith("is working there; wait until it has ended, or choose another name\n")
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert program("-m", "algo.N=5,6", "runs=1", "name=busy", BASIC).returncode == 0


def test_flags_may_stand_anywhere(program: RunProgram, tmp_path: Path) -> None:
    assert program("algo=rs", "-m", "algo.N=2,3", "runs=1", "name=flag", BASIC).returncode == 0
    assert len(rows(tmp_path / "multirun_sweeps/flag/results.csv")) == 2


@pytest.mark.parametrize(
    ("sent", "code", "told"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_sweep_still_closes(
    start_program: StartProgram, tmp_path: Path, sent: signal.Signals, code: int, told: str
) -> None:
    own = own_algorithm(
        tmp_path, "slow", "import time\ndef search(score, space, rng, *, N: int):\n    time.sleep(300)\n"
    )
    sweep = (*own, "-m", "algo=rs,slow", "algo.N=5", "runs=1", "name=cut")
    process = start_program(*sweep, PYTHONPATH=str(tmp_path))
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("multirun_sweeps/cut/algo=rs*/summary.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "1 of 2 jobs finished" in stdout
    assert f"error: {told}" in stderr
    assert len(rows(tmp_path / "multirun_sweeps/cut/results.csv")) == 1


@pytest.mark.slow
def test_metrics_with_images_are_scored_live_in_a_sweep(program: RunProgram, tmp_path: Path, test_data: Path) -> None:
    sweep = (
        "-m", "metric=relu,naswot,grad_norm", f"dataset.root={test_data / 'images'}", "metric.batch_size=8",
        "runs=1", "algo.N=10", "algo.P=5", BASIC, *SMALL,
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


@pytest.mark.slow
def test_the_papers_grid_runs_as_far_as_the_benchmark_goes(program: RunProgram, tmp_path: Path) -> None:
    done = program(
        "+experiment=paper", "metric=val_acc,synflow", "dataset=cifar10,cifar100", "algo.N=20", "runs=2", BASIC
    )
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


@pytest.mark.slow
def test_populations_and_tournaments_vary_together(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=ablation_rea", "metric=synflow", "dataset=cifar10", "algo.N=20", "runs=1", BASIC)
    assert done.returncode == 0, done.stderr
    results = rows(tmp_path / "multirun_sweeps/ablation_rea/results.csv")
    assert [(row["P"], row["S"]) for row in results] == [
        ("100", "2"), ("100", "50"), ("20", "20"), ("20", "10"), ("100", "25"), ("64", "16"),
    ]  # fmt: skip


def test_every_experiment_composes(program: RunProgram) -> None:
    for experiment in sorted((ROOT / "conf/experiment").glob("*.yaml")):
        done = program(f"+experiment={experiment.stem}", "--cfg", "job")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("seconds", [-2_000_000_000, 0, 1, 2**31 + 5, 2**33])
def test_times_of_files_decide_nothing(program: RunProgram, tmp_path: Path, seconds: int) -> None:
    sweep = ("-m", "algo=rs", "algo.N=5", "runs=2", "seed=0,1", "name=s", *SMALL)
    assert program(*sweep).returncode == 0
    for path in tmp_path.rglob("*"):
        os.utime(path, (seconds, seconds))
    files = {path: path.read_bytes() for path in tmp_path.glob("multirun_sweeps/s/*/summary.json")}
    done = program(*sweep)
    assert done.returncode == 0
    assert "2 of 2 jobs are not run again" in done.stdout + done.stderr
    assert {path: path.read_bytes() for path in files} == files
