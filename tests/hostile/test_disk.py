"""Disks that are full or read-only: one line that says which file and what to do, and nothing finished is lost."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunProgram
from tests.hostile.disks import small_disk
from tests.job_files import SMALL, only, rows, scores_of, without_seconds

FULL = "the disk is full; free space and run the same command again: what is finished is kept"
READ_ONLY = "the file system is read-only; make it writable or choose another folder"


def refused(done: "subprocess.CompletedProcess[str]", place: str, why: str) -> None:
    """Bad input, told in one line."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert place in done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stdout


def no_temporary_files(folder: Path) -> bool:
    """Whether nothing half written is left of what this package writes."""
    return not [path for path in folder.rglob(".*") if path.name not in (".hydra", ".lock")]


def test_a_scoring_on_a_full_disk_keeps_what_it_has_and_goes_on_with_more_space(
    program: RunProgram, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "data") as disk:
        assert program("task=score", "task.archs=[9,3479]", *SMALL).returncode == 0
        before = scores_of(disk.folder)
        some = ("task=score", "task.archs=[9,3479,11718,15000]", *SMALL)
        disk.fill()
        refused(program(*some, "name=full"), "data/scores/cifar10/synflow-", FULL)
        assert no_temporary_files(tmp_path)
        assert scores_of(disk.folder) == before
        told = (tmp_path / "outputs/full/error.txt").read_text()
        assert FULL in told
        assert told.count("\n") == 1
        disk.free()
        disk.fill(but_for=4)  # room for the scores, but not for merging them with those that were there
        whole = ("task=score", "task.archs=[9,3479,11718]", *SMALL)
        refused(program(*whole), "data/scores/cifar10/synflow-", FULL)
        assert before.items() < scores_of(disk.folder).items()
        disk.free()
        assert program(*some, "name=full").returncode == 0
        assert not (tmp_path / "outputs/full/error.txt").exists()
        assert json.loads((tmp_path / "outputs/full/summary.json").read_text())["computed"] == 1
        assert program(*some, NAS_EXP_DATA=str(tmp_path / "undisturbed")).returncode == 0
        assert scores_of(disk.folder) == scores_of(tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_search_whose_scores_find_no_room_comes_to_the_same_with_more_space(
    program: RunProgram, tmp_path: Path
) -> None:
    search = ("algo=rs", "algo.N=30", "runs=1", "n_jobs=1", *SMALL)
    with small_disk(tmp_path / "data") as disk:
        disk.fill(but_for=4)
        refused(program(*search), "data/scores/cifar10/synflow-", FULL)
        assert no_temporary_files(tmp_path)
        disk.free()
        assert program(*search, "name=again").returncode == 0
    assert program(*search, "name=undisturbed", NAS_EXP_DATA=str(tmp_path / "other")).returncode == 0
    again, undisturbed = (tmp_path / "outputs" / name / "runs.csv" for name in ("again", "undisturbed"))
    assert without_seconds(again) == without_seconds(undisturbed)


def test_results_that_find_no_room_are_named(program: RunProgram, tmp_path: Path) -> None:
    search = ("algo.N=400", "runs=5", "name=full")
    with small_disk(tmp_path / "outputs") as disk:
        disk.fill()
        refused(program(*search), "outputs/full", FULL)
        disk.free()
        disk.fill(but_for=32)  # room for what Hydra writes, and for runs.csv
        done = program(*search)
        refused(done, "outputs/full/trajectory.parquet", FULL)
        assert FULL in (tmp_path / "outputs/full/error.txt").read_text()
        assert no_temporary_files(tmp_path)
        assert not (tmp_path / "outputs/full/summary.json").exists()
        disk.free()
        assert program(*search).returncode == 0
        assert (tmp_path / "outputs/full/trajectory.png").exists()


@pytest.mark.slow
def test_scoring_in_processes_needs_no_room_for_temporary_files(
    program: RunProgram, tmp_path: Path, test_data: Path
) -> None:
    images = ("metric=relu", f"dataset.root={test_data / 'images'}", *SMALL)  # more than a megabyte of them
    with small_disk(tmp_path / "temporary") as disk:
        disk.fill()
        done = program(
            "task=score", "task.archs=[9,3479,11718]", "n_jobs=2", *images, JOBLIB_TEMP_FOLDER=str(disk.folder)
        )
    assert done.returncode == 0, done.stderr
    assert len(scores_of(tmp_path / "data")) == 3


def test_what_is_told_on_a_full_disk_needs_no_room_there(program: RunProgram, tmp_path: Path) -> None:
    score = ("task=score", "task.archs=[9]", "name=full", *SMALL)
    with small_disk(tmp_path / "outputs") as disk:
        disk.fill(but_for=20)  # room for what Hydra writes, but neither for log lines nor for error.txt
        refused(program(*score), "outputs/full/summary.json", FULL)
        assert (disk.folder / "full/run.log").stat().st_size == 0
        assert not (disk.folder / "full/error.txt").exists()
        disk.free()
        assert program(*score).returncode == 0


@pytest.mark.slow
def test_a_sweep_on_a_full_disk_names_what_is_missing_and_then_does_it(program: RunProgram, tmp_path: Path) -> None:
    sweep = ("-m", "algo.N=100,200,300", "runs=3", "name=full", "hydra.launcher.n_jobs=1")
    with small_disk(tmp_path / "multirun_sweeps") as disk:
        disk.fill()
        refused(program(*sweep), "multirun_sweeps/full/multirun.yaml", FULL)
        disk.free()
        disk.fill(but_for=152)  # room for one of the three
        done = program(*sweep)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "1 of 3 jobs finished" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        assert "are launched again" not in done.stdout  # which would not help
        # Hydra names a job that fails after its start as well
        told = [line for line in done.stderr.splitlines() if not line.startswith("Error executing job with")]
        *failed, again, results = told
        assert len(failed) == 2
        assert all(line.startswith("failed: multirun_sweeps/full/algo.N=") and FULL in line for line in failed)
        assert results == f"multirun_sweeps/full/results.csv: {FULL}"
        assert no_temporary_files(tmp_path)
        disk.free()
        finished = only(disk.folder, "full/algo.N=100*/summary.json").stat().st_mtime_ns
        done = program(*shlex.split(again.partition(": ")[2])[2:])
        assert done.returncode == 0, done.stderr
        assert only(disk.folder, "full/algo.N=100*/summary.json").stat().st_mtime_ns == finished
        assert [row["N"] for row in rows(disk.folder / "full/results.csv")] == ["100", "200", "300"]


@pytest.mark.slow
def test_an_import_on_a_full_disk_goes_on_with_more_space(program: RunProgram, tmp_path: Path, test_data: Path) -> None:
    command = (
        "task=import", "benchmark=nats", f"benchmark.path={test_data / 'nats/NATS-tss-v1_0-3ffb9-simple'}", "name=x",
    )  # fmt: skip
    with small_disk(tmp_path / "data") as disk:
        disk.fill()
        refused(program(*command), "data/benchmarks", FULL)
        disk.free()
        disk.fill(but_for=8)
        refused(program(*command), "data/benchmarks/NATS-tss-v1_0-3ffb9-simple", FULL)
        assert no_temporary_files(tmp_path)
        disk.free()
        assert program(*command).returncode == 0
        found = program("benchmark=nats", *command[2:3], "algo=rs", "metric=val_acc", "algo.N=15625", "runs=1")
        assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_a_report_on_a_full_disk_is_made_with_more_space(program: RunProgram, tmp_path: Path) -> None:
    with small_disk(tmp_path / "multirun_sweeps", megabytes=20) as disk:
        assert program("-m", "algo=rs,rea", "algo.N=20", "runs=2", "name=full").returncode == 0
        report = ("task=report", "sweep=multirun_sweeps/full")
        for room in (0, 200):
            disk.fill(but_for=room)
            refused(program(*report), "multirun_sweeps/full/report", FULL)
            assert no_temporary_files(tmp_path)
            disk.free()
        assert program(*report).returncode == 0
        assert (disk.folder / "full/report/index.html").exists()


@pytest.mark.slow
def test_tables_on_a_read_only_disk_are_read_and_not_computed(program: RunProgram, tmp_path: Path) -> None:
    search = ("algo=rs", "runs=1", *SMALL)
    with small_disk(tmp_path / "data") as disk:
        assert program(*search, "algo.N=10").returncode == 0
        disk.make_read_only()
        again = program(*search, "algo.N=10")
        assert again.returncode == 0, again.stderr
        assert "they are kept" not in again.stdout
        more = program(*search, "algo.N=20")
        refused(more, "data/scores/cifar10/synflow-", READ_ONLY)
        score = program("task=score", "task.limit=2000", "n_jobs=1", *SMALL)
        refused(score, "data/scores/cifar10/synflow-", READ_ONLY)
        assert "62 different networks are left" in score.stdout
        assert not re.search(r"\d+/\d+ networks", score.stdout)  # nothing has been computed
        (tmp_path / "archive").mkdir()
        # told before the archive is looked at, which is none
        refused(program("task=import", "benchmark=nats", "benchmark.path=archive"), "data/benchmarks", READ_ONLY)


def test_read_only_results_folders_are_named(program: RunProgram, tmp_path: Path) -> None:
    for folder, arguments in (("outputs", ("name=x",)), ("multirun_sweeps", ("-m", "name=x", "seed=1,2"))):
        with small_disk(tmp_path / folder) as disk:
            disk.make_read_only()
            refused(program("algo.N=5", "runs=1", *arguments), f"{folder}/x", READ_ONLY)


def test_results_of_a_job_whose_folder_has_become_read_only_are_named(program: RunProgram, tmp_path: Path) -> None:
    search = ("algo.N=5", "runs=1", "name=x")
    with small_disk(tmp_path / "outputs") as disk:
        assert program(*search).returncode == 0
        before = (disk.folder / "x/summary.json").read_bytes()
        disk.make_read_only()
        refused(program(*search), "outputs/x", READ_ONLY)  # its log file cannot be opened
        assert (disk.folder / "x/summary.json").read_bytes() == before
