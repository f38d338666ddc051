"""The same sweep and the same score table by every launcher, on real engines, and after those were killed."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nas_exp.storage.parquet import read_columns
from tests.conftest import ROOT, RunProgram
from tests.job_files import DEADLY, SMALL, only, own_algorithm, rows
from tests.tools.ray_cluster import kill, two_nodes

SEARCHES = ("-m", "algo=rs,rea", "algo.N=30", "seed=0,1", "runs=2", "name=same", *SMALL)
SHARDS = ("-m", "task=score", "task.limit=300", "task.shards=4", "task.shard=range(0,4)", "name=shards", *SMALL)


def run_in(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Do what the fixture `program` does, in any folder and with a relative folder for tables."""
    folder.mkdir(parents=True, exist_ok=True)
    process = start_in(folder, *arguments, **environment)
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def start_in(folder: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        env={**os.environ, "NAS_EXP_DATA": "tables", "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_by(folder: Path) -> dict[str, Any]:
    """All that sweeps and scorings in a folder have left, measured seconds aside."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in ("runs.csv", "results.csv"):
            found[name] = [without_measured(row) for row in rows(path)]
        elif path.name == "summary.json":
            found[name] = without_measured(json.loads(path.read_text()))
        elif path.name == "trajectory.parquet":
            columns = read_columns(path, ("run", "step", "arch_index", "score", "best_arch_index", "val_acc"))
            found[name] = {key: values.tobytes() for key, values in columns.items()}
        elif path.match("scores/*/*/*.parquet"):
            found[name] = {key: column.tobytes() for key, column in scores_in(path).items()}
        elif path.name in ("jobs.json", "_table.json"):
            found[name] = path.read_bytes()
    return found


def scores_in(part: Path) -> Mapping[str, Any]:
    return read_columns(part, ("arch_index", "score"))


def without_measured(row: Mapping[str, Any]) -> dict[str, Any]:
    # `computed` says what was missing when the job began; the seal is of the seconds as well
    measured = ("seconds", "seconds_mean", "computed", "seal")
    return {key: value for key, value in row.items() if key not in measured}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all launchers, as what a scoring is about includes where its tables are."""
    return tmp_path_factory.mktemp("launchers") / "place"


def left_by_launcher(launcher: str, place: Path, **environment: str) -> dict[str, Any]:
    shutil.rmtree(place, ignore_errors=True)
    for sweep in (SEARCHES, SHARDS):
        done = run_in(place, *sweep, f"hydra/launcher={launcher}", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 of 4 jobs finished" in done.stdout
        assert "Warning" not in done.stderr
    return left_by(place)


@pytest.fixture(scope="module")
def by_joblib(place: Path) -> dict[str, Any]:
    """What the default launcher leaves."""
    left = left_by_launcher("joblib", place)
    assert sum(name.endswith("summary.json") for name in left) == 8
    assert sum(name.endswith("trajectory.parquet") for name in left) == 4
    return left


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
def test_every_launcher_gives_the_same(launcher: str, by_joblib: Mapping[str, Any], place: Path) -> None:
    if launcher == "ray":
        with two_nodes() as cluster:
            left = left_by_launcher(launcher, place, **cluster.environment)
    else:
        left = left_by_launcher(launcher, place)
    assert left.keys() == by_joblib.keys()
    assert [name for name in left if left[name] != by_joblib[name]] == []


SLOW = """
import os, time
from nas_exp.algos import rs
def search(score, space, rng, *, N: int):
    time.sleep(1.5)
    return rs.search(score, space, rng, N=N)
"""


@pytest.fixture
def slow_sweep(tmp_path: Path) -> tuple[str, ...]:
    """Eight jobs of a few seconds each."""
    return (
        *own_algorithm(tmp_path, "slow", SLOW), "-m", "algo=slow", "seed=range(0,8)", "runs=1", "name=slow",
        "metric.seed=0", "hydra/launcher=ray", "hydra.launcher.ray.remote.max_retries=0",
    )  # fmt: skip


def wait_for(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, f"no {what} in two minutes"
        time.sleep(0.05)


def finished(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("multirun_sweeps/slow/*/summary.json")}


@pytest.mark.slow
def test_a_lost_node_costs_no_job(slow_sweep: tuple[str, ...], tmp_path: Path) -> None:
    with two_nodes() as cluster:
        process = start_in(tmp_path, *slow_sweep, PYTHONPATH=str(tmp_path), **cluster.environment)
        wait_for(lambda: len(finished(tmp_path)) >= 2, "second job")
        kill(cluster.other)
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stdout + stderr
    assert "8 of 8 jobs finished" in stdout
    assert len(rows(tmp_path / "multirun_sweeps/slow/results.csv")) == 8


@pytest.mark.slow
def test_a_sweep_whose_cluster_is_lost_is_finished_on_another(slow_sweep: tuple[str, ...], tmp_path: Path) -> None:
    with two_nodes() as cluster:
        process = start_in(tmp_path, *slow_sweep, PYTHONPATH=str(tmp_path), **cluster.environment)
        wait_for(lambda: len(finished(tmp_path)) >= 2, "second job")
        kill(cluster.head)
        kill(cluster.other)
        process.communicate(timeout=300)
    assert process.returncode != 0
    before = finished(tmp_path)
    assert 2 <= len(before) < 8
    with two_nodes() as cluster:
        done = run_in(tmp_path, *slow_sweep, PYTHONPATH=str(tmp_path), **cluster.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(before)} of 8 jobs are not run again" in done.stdout
    after = finished(tmp_path)
    assert len(after) == 8
    assert {name: after[name] for name in before} == before


@pytest.mark.slow
def test_a_killed_process_is_waited_around(program: RunProgram, tmp_path: Path) -> None:
    """With a launcher whose jobs are processes of their own, one's death leaves the others running."""
    own_algorithm(tmp_path, "deadly", DEADLY)
    own = own_algorithm(
        tmp_path,
        "slow",
        "import time\nfrom nas_exp.algos import rs\n"
        "def search(score, space, rng, *, N: int):\n"
        "    open('starts', 'a').write('x')\n    time.sleep(5)\n    return rs.search(score, space, rng, N=N)\n",
    )
    done = program(
        *own, "-m", "hydra/launcher=submitit_local", "algo=deadly,slow", "runs=1",
        "name=moods", "metric.seed=0", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 of 2 jobs finished" in done.stdout
    assert "ended without a word: UncompletedJobError" in done.stderr
    assert (tmp_path / "starts").read_text() == "x"
    assert only(tmp_path, "multirun_sweeps/moods/algo=slow*/summary.json")


@pytest.mark.slow
def test_a_job_whose_time_is_up_goes_on_later(program: RunProgram, tmp_path: Path) -> None:
    """The launcher warns it by a signal and queues it again, as a cluster does."""
    own = own_algorithm(
        tmp_path,
        "late",
        "import os, pathlib, signal, time\nfrom nas_exp.algos import rs\n"
        "def search(score, space, rng, *, N: int):\n"
        "    if not pathlib.Path('warned').exists():\n"
        "        pathlib.Path('warned').touch()\n"
        "        os.kill(os.getpid(), signal.SIGUSR2)\n        time.sleep(60)\n"
        "    return rs.search(score, space, rng, N=N)\n",
    )
    done = program(
        *own, "-m", "hydra/launcher=submitit_local", "algo=late", "runs=1", "name=late",
        "metric.seed=0", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "warned").exists()
    assert "1 of 1 jobs finished" in done.stdout


def test_a_launcher_that_is_not_installed_is_told(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "hydra/launcher").mkdir(parents=True)
    text = (ROOT / "conf/hydra/launcher/ray.yaml").read_text().replace("RayLauncher", "NoSuchLauncher")
    (tmp_path / "hydra/launcher/gone.yaml").write_text(text, encoding="utf-8")
    done = program("--config-dir", str(tmp_path), "-m", "hydra/launcher=gone", "algo.N=5,6")
    assert done.returncode == 2
    assert done.stderr == (
        "error: hydra/launcher: this one needs a package that is not installed; pip install 'nas-exp[ray]'\n"
    )


@pytest.mark.parametrize("launcher", ["submitit_slurm", "submitit_local", "ray"])
def test_our_settings_are_those_that_a_launcher_knows(launcher: str, program: RunProgram) -> None:
    done = program(f"hydra/launcher={launcher}", "n_jobs=3", "--cfg", "hydra", "-p", "hydra.launcher")
    assert done.returncode == 0, done.stderr
    assert f"hydra_{launcher.partition('_')[0]}_launcher" in done.stdout
