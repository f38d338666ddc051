"""The command line as a user meets it: real processes, real files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import nas_exp
from tests.conftest import ROOT, RunProgram
from tests.job_files import SMALL, rows, without_seconds


def test_a_search_writes_its_four_files_and_prints_a_table(program: RunProgram, tmp_path: Path) -> None:
    done = program("algo.N=50", "algo.P=10", "algo.S=3", "runs=3", "name=one", *SMALL)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs" / "one"
    summary = json.loads((folder / "summary.json").read_text())
    assert {key: summary[key] for key in ("dataset", "metric", "algo", "N", "P", "S", "benchmark", "runs", "seed")} == {
        "dataset": "cifar10", "metric": "synflow", "algo": "rea", "N": 50, "P": 10, "S": 3,
        "benchmark": "bundled", "runs": 3, "seed": 0,
    }  # fmt: skip
    assert 60 < summary["val_acc_mean"] < 92
    assert summary["test_acc_mean"] is None
    assert len(summary["config_hash"]) == 16
    found = rows(folder / "runs.csv")
    assert list(found[0]) == ["run", "arch_index", "arch_str", "score", "val_acc", "test_acc", "seconds", "scored"]
    assert [row["scored"] for row in found] == ["60"] * 3
    assert summary["best_arch_str"] == max(found, key=lambda row: float(row["score"]))["arch_str"]
    mean = sum(float(row["val_acc"]) for row in found) / 3
    assert summary["val_acc_mean"] == pytest.approx(mean)
    trajectory = pq.read_table(folder / "trajectory.parquet").to_pydict()
    assert list(trajectory) == [
        "run", "step", "arch_index", "score", "best_arch_index", "val_acc", "test_acc", "seconds",
    ]  # fmt: skip
    assert len(trajectory["run"]) == 3 * 60
    assert trajectory["best_arch_index"][59] == int(found[0]["arch_index"])
    assert trajectory["val_acc"][59] == pytest.approx(float(found[0]["val_acc"]))
    assert (folder / "trajectory.png").read_bytes().startswith(b"\x89PNG")
    assert f"{summary['val_acc_mean']:.2f} ± {summary['val_acc_std']:.2f}" in done.stdout
    assert summary["best_arch_str"] in done.stdout


def test_the_cached_path_is_light(program: RunProgram, tmp_path: Path) -> None:
    probe = (
        "import runpy, sys\n"
        "sys.argv = ['run.py', 'runs=2']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print({'torch', 'pandas', 'scipy', 'seaborn', 'nats_bench', 'optuna', 'moocore'} & set(sys.modules))\n"
        # not getrusage's peak, which a child takes over from the process that starts it
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) // 1024)\n"
    ).replace("'run.py'", repr(str(ROOT / "run.py")), 1)
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *_, modules, megabytes = done.stdout.splitlines()
    assert modules == "set()"
    assert int(megabytes) < 300


METRICS = ", ".join(sorted(path.stem for path in (ROOT / "conf/metric").glob("*.yaml")))

BAD_INPUT = {
    "dataset=svhn": "dataset=svhn: unknown; the choices are cifar10, cifar100, imagenet16-120",
    "metric=magic": f"metric=magic: unknown; the choices are {METRICS}",
    "algo.S=0": "algo.S=0: expected at least 1",
    "algo.N=-1": "algo.N=-1: expected at least 1",
    "algo.N=15626": "algo.N=15626: expected at most 15625, the size of the space",
    "algo.N=many": "algo.N=many: expected a whole number",
    "algo.Q=3": "algo.Q: unknown key; the choices are N, seconds, P, S",
    "algo=ls algo.improvement=worst": "algo.improvement=worst: expected best or first",
    "algo=area algo.M=10": "algo.P=20: expected at most algo.M=10",
    "algo=area algo.M=0": "algo.M=0: expected at least 1",
    "algo=area metric=val_acc": "metric=val_acc: benchmark=bundled has no 12-epoch accuracies",
    "algo=area algo.proxy.seed=1": "dataset.root=null: metric=relu needs images of cifar10",
    "algo=tpe algo.startup=0": "algo.startup=0: expected at least 1",
    "algo=tpe algo.N=0": "algo.N=0: expected at least 1",
    "algo=nsga2 algo.P=0": "algo.P=0: expected at least 1",
    "algo=nsga2 algo.cost=weight": "algo.cost=weight: expected params, flops or latency",
    "algo=nsga2 algo.cost=null": "algo.cost=None: expected params, flops or latency",
    "algo=nsga2 algo.cost=latency": "algo.cost=latency: benchmark=bundled has no latencies (latency_s); expected",
    "algo=two_stage": "metric=val_acc: benchmark=bundled has no 12-epoch accuracies",
    "algo=two_stage algo.N=20": "algo.k=30: expected at most algo.N=20",
    "algo=two_stage algo.k=0": "algo.k=0: expected at least 1",
    "algo=two_stage metric@algo.final=magic": "metric=magic: unknown; the choices are",
    "algo=two_stage algo.final=relu": "algo.final=relu: expected a metric, as in metric@algo.final=synflow",
    "algo=two_stage algo.final=null": "algo.final=null: expected a metric, as in metric@algo.final=synflow",
    "algo=two_stage +algo.final.bogus=1": "algo.final.bogus: unknown key",
    "algo=two_stage metric@algo.final=relu algo.final.batch_size=1": "algo.final.batch_size=1: expected at least 2",
    "algo.seconds=0": "algo.seconds=0: expected a positive number, or null",
    "algo.seconds=soon": "algo.seconds=soon: expected a positive number, or null",
    "algo.seconds=inf": "algo.seconds=inf: expected a positive number, or null",
    "algo.seconds=1e-9": "algo.seconds=1e-09: not enough for one score; the first takes",
    "runs=0": "runs=0: expected at least 1",
    "runs=few": "runs: Value 'few' of type 'str' could not be converted to Integer",
    "n_jobs=0": "n_jobs=0: expected at least 1, or -1 for one a core",
    "metric._target_=os.system": "metric._target_=os.system: expected a function of network, batch",
    "metric._target_=builtins.print": "metric._target_=builtins.print: expected a score, found NoneType",
    "benchmark._target_=os.system": "benchmark._target_=os.system: expected a function of dataset, space, path, store",
    "algo._target_=os.system": "algo._target_=os.system: expected a function of score, space, rng",
    "task._target_=os.system": "task._target_=os.system: expected a function of config, folder",
    "device=tpu": "device=tpu: expected cpu, cuda, mps, xpu, one of several as cuda:N, or cuda:auto",
    "task=score task.archs=[0] network.C=4 device=xpu": "device=xpu: torch finds no XPU device here; expected cpu",
    "seed=-1": "seed=-1: expected at least 0",
    "+colour=red": "colour: unknown key; the choices are task, dataset",
    "dataset.root=nowhere": "dataset.root=nowhere: no such file or folder",
    "benchmark.path=nowhere": "benchmark.path=nowhere: no such file or folder",
    "benchmark=table": "benchmark.path: found none; benchmark=table expects",
    "benchmark=nats": "benchmark.path: found none; benchmark=nats expects",
    "metric=val_acc": "metric=val_acc: benchmark=bundled has no 12-epoch accuracies",
    "metric=relu metric.batch_size=32": "dataset.root=null: metric=relu needs images of cifar10",
    "metric=relu metric.batch_size=1": "metric.batch_size=1: expected at least 2",
    "task=score task.archs=[15625]": "task.archs: 15625 is not an arch_index; expected 0 to 15624",
    "task=score task.shard=2 task.shards=2": "task.shard=2: expected 0 to 1, as task.shards=2",
    "task=import": "benchmark=bundled: there is nothing to import; expected benchmark=nats",
    "task=correlate task.top=0": "task.top=0: expected a share",
    "task=score task.archs=[]": "task.archs=[]: expected at least one arch_index",
    "~algo.name": "algo.name: missing",
    "algo._target_=null": "algo._target_: missing",
    "metric._target_=null": "metric._target_: missing",
    "metric=zen metric.network=modules algo.N=1": "metric.network=modules: nas_exp.metrics.zen.zen takes cells or",
    "metric.input=benchmark": "metric.input=benchmark: nas_exp.metrics.synflow.synflow does not read a benchmark",
    "metric=val_acc +metric.bogus=1": "metric.bogus: unknown key",
    "dataset.name=svhn": "dataset.name=svhn: benchmark=bundled has cifar10, cifar100, imagenet16-120",
    "dataset.mean=[1,2]": "dataset.mean=[1.0, 2.0]: expected 3 numbers",
    "dataset.std=[1,0,1]": "dataset.std=[1.0, 0.0, 1.0]: expected positive numbers",
    "dataset.image_size=30": "dataset.image_size=30: expected a multiple of 4",
    "dataset.num_classes=0": "dataset.num_classes=0: expected at least 2",
    "network.N=1000": "network.N=1000: expected at most 100",
    "algo.S=15626": "algo.S=15626: expected at most 15625, the size of the space",
    "dataset.root=": "dataset.root: found an empty path",
    "paths.scores=": "paths.scores: found an empty path",
    "paths.scores=/proc/x network.C=4": "/proc/x",
    "name=../escaped": "name=../escaped: expected a name",
    "algo=null": "Config group override must be a string",
    "algo.N=${nothing}": "algo.N: Interpolation key 'nothing' not found",
    "-m name=a,b": "name: cannot be swept",
    "-m algo.N=glob(*)": "the sweep has no jobs",
    "nonsense": "nonsense: expected key=value",
    "-m metric=synflow,magic": "metric=magic: unknown",
    "-m algo.S=10,0": "algo.S=0: expected at least 1",
}


@pytest.mark.parametrize("arguments", BAD_INPUT)
def test_bad_input_gets_one_line_and_exit_code_2(program: RunProgram, arguments: str) -> None:
    done = program(*arguments.split())
    assert done.stderr.startswith(f"error: {BAD_INPUT[arguments]}")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


def test_a_new_interpreter_says_no_more_than_a_fork(new_program: RunProgram) -> None:
    done = new_program("algo.S=0")
    assert (done.returncode, done.stderr) == (2, "error: algo.S=0: expected at least 1\n")


def test_bad_input_leaves_nothing_behind(program: RunProgram, tmp_path: Path) -> None:
    assert program("algo.S=0").returncode == 2
    assert program("name=../escaped").returncode == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "escaped").exists()


def test_bad_input_leaves_what_else_is_in_the_folder_alone(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("a.log", "run.log"):
        (tmp_path / "mine" / name).write_text("kept")
    assert program("algo.S=0", "hydra.run.dir=mine").returncode == 2
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["a.log", "run.log"]


def test_the_version_is_ours(program: RunProgram) -> None:
    assert program("runs=1", "--version").stdout == f"nas-exp {nas_exp.__version__}\n"


def test_bad_input_leaves_an_earlier_result_alone(program: RunProgram, tmp_path: Path) -> None:
    assert program("algo.N=5", "runs=1", "name=kept", *SMALL).returncode == 0
    before = (tmp_path / "outputs/kept/summary.json").read_bytes()
    assert program("algo.N=0", "runs=1", "name=kept", *SMALL).returncode == 2
    assert program("metric=val_acc", "runs=1", "name=kept", *SMALL).returncode == 2
    assert (tmp_path / "outputs/kept/summary.json").read_bytes() == before


@pytest.mark.slow
def test_the_same_command_gives_the_same_bytes(program: RunProgram, new_program: RunProgram, tmp_path: Path) -> None:
    for name, run in (("a", program), ("b", new_program)):
        assert run("algo.N=40", "runs=3", f"name={name}", *SMALL).returncode == 0
    a, b = tmp_path / "outputs/a", tmp_path / "outputs/b"
    assert without_seconds(a / "runs.csv") == without_seconds(b / "runs.csv")
    assert (a / "trajectory.parquet").read_bytes() == (b / "trajectory.parquet").read_bytes()
    assert (a / "trajectory.png").read_bytes() == (b / "trajectory.png").read_bytes()
    assert program("algo.N=40", "runs=3", "name=c", "seed=1", "metric.seed=0", *SMALL).returncode == 0
    assert without_seconds(a / "runs.csv") != without_seconds(tmp_path / "outputs/c/runs.csv")


def test_help_explains_every_choice_and_key(program: RunProgram) -> None:
    done = program("--help")
    assert done.returncode == 0
    for group in ("task", "dataset", "metric", "algo", "benchmark"):
        for file in (ROOT / "conf" / group).glob("*.yaml"):
            what = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
            assert re.search(rf"^{re.escape(file.stem)} +{re.escape(what)}$", done.stdout, re.MULTILINE)
    for key in (
        "algo.N",
        "algo.P",
        "algo.S",
        "benchmark.path",
        "dataset.root",
        "device",
        "n_jobs",
        "runs",
        "seed",
        "name",
    ):
        assert key in done.stdout


def test_val_acc_random_search_reproduces_the_papers_table_iii(
    program: RunProgram, tmp_path: Path, test_data: Path
) -> None:
    done = program(
        "benchmark=table", f"benchmark.path={test_data / 'nb201'}", "metric=val_acc", "algo=rs", "name=table3"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/table3/summary.json").read_text())
    assert summary["val_acc_mean"] == pytest.approx(91.36, abs=0.15)
    assert summary["test_acc_mean"] == pytest.approx(91.11, abs=0.15)


def test_an_imported_archive_is_searched(program: RunProgram, tmp_path: Path, test_data: Path) -> None:
    archive = f"benchmark.path={test_data / 'nats/NATS-tss-v1_0-3ffb9-simple'}"
    missing = program("benchmark=nats", archive)
    assert missing.returncode == 2
    assert "task=import" in missing.stderr
    done = program("task=import", "benchmark=nats", archive)
    assert done.returncode == 0, done.stderr
    assert "15622" in done.stdout
    done = program("benchmark=nats", archive, "metric=val_acc", "algo=rs", "algo.N=15625", "runs=1", "name=three")
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "outputs/three/runs.csv")
    # the best of the three by 12-epoch accuracy; the other two have 63.364 and 63.278
    assert row["arch_str"] == "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"
    assert float(row["score"]) == pytest.approx(72.876, abs=1e-3)


def test_correlations_are_printed_for_every_accuracy_there_is(program: RunProgram, tmp_path: Path) -> None:
    assert program("task=score", "task.limit=300", *SMALL).returncode == 0
    done = program("task=correlate", "name=rho", *SMALL)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/rho/summary.json").read_text())
    assert summary["architectures"] == 300
    assert 0.3 < summary["rho_val_acc"] <= 1
    assert summary["rho_test_acc"] is None
