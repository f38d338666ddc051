import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.storage.locks import lock
from nas_exp.storage.summary import State, state
from nas_exp.sweeps.jobs import Job, collect, combine, is_a_jobs_folder, open_sweep, plan, to_run, write_results

NAMES = st.one_of(
    st.text(st.characters(codec=None)), st.sampled_from(["..", ".", "/", "a/..", "../a", "a/b", "a" * 256])
)
Sets = Mapping[str, Sequence[Mapping[str, Any]]]


def folders(*combinations: list[str]) -> list[str]:
    return [job.folder for job in plan(combinations)]


def test_folders_are_named_by_overrides() -> None:
    assert folders(["metric=relu", "algo.P=20"], ["metric=synflow", "algo.P=20"]) == [
        "metric=relu,algo.P=20",
        "metric=synflow,algo.P=20",
    ]


def test_a_repeated_combination_is_one_job() -> None:
    assert len(plan([["seed=1"], ["seed=1"], ["seed=2"]])) == 2


def test_sets_of_values_are_combined_with_the_grid() -> None:
    grid = [["metric=relu"], ["metric=synflow"]]
    sets: Sets = {"evolution": [{"algo.P": 100, "algo.S": 2}, {"algo.P": 20, "algo.S": 10}]}
    assert combine(grid, sets) == [
        ["metric=relu", "algo.P=100", "algo.S=2"], ["metric=relu", "algo.P=20", "algo.S=10"],
        ["metric=synflow", "algo.P=100", "algo.S=2"], ["metric=synflow", "algo.P=20", "algo.S=10"],
    ]  # fmt: skip
    assert combine(grid, {}) == grid
    # what the user says counts more
    assert combine([["algo.P=7"]], sets) == [["algo.P=7", "algo.S=2"], ["algo.P=7", "algo.S=10"]]
    assert combine([["algo.P=20"]], sets) == [["algo.P=20", "algo.S=10"]]


def test_sets_of_one_list_are_combined_with_those_of_others() -> None:
    sets: Sets = {
        "searches": [{"metric": "val_acc", "algo": "rs"}, {"metric": "synflow", "algo": "two_stage", "algo.k": 9}],
        "budgets": [{"dataset": "cifar10", "algo.seconds": 5}, {"dataset": "cifar100", "algo.seconds": 6}],
    }
    assert combine([[]], sets) == [
        ["metric=val_acc", "algo=rs", "dataset=cifar10", "algo.seconds=5"],
        ["metric=val_acc", "algo=rs", "dataset=cifar100", "algo.seconds=6"],
        ["metric=synflow", "algo=two_stage", "algo.k=9", "dataset=cifar10", "algo.seconds=5"],
        ["metric=synflow", "algo=two_stage", "algo.k=9", "dataset=cifar100", "algo.seconds=6"],
    ]
    assert combine([["algo=rs", "dataset=cifar100"]], sets) == [
        ["algo=rs", "dataset=cifar100", "metric=val_acc", "algo.seconds=6"]
    ]
    # no set has both, and what belongs to another algorithm goes with it
    assert combine([["metric=synflow", "algo=rs", "dataset=cifar10"]], sets) == [
        ["metric=synflow", "algo=rs", "dataset=cifar10", "algo.seconds=5"]
    ]
    # none has this metric: it takes the place of theirs
    assert combine([["dataset=cifar10", "metric=relu", "algo=rs"]], sets) == [
        ["dataset=cifar10", "metric=relu", "algo=rs", "algo.seconds=5"]
    ]


def test_places_name_no_folder_unless_they_are_swept() -> None:
    same = ["dataset.root=../images", "n_jobs=2", "name=x"]
    assert folders(["seed=1", *same], ["seed=2", *same]) == ["seed=1", "seed=2"]
    swept = folders(["benchmark.path=a/b"], ["benchmark.path=a_b"])
    assert len(set(swept)) == 2
    assert all("/" not in folder for folder in swept)


def test_what_all_jobs_share_cannot_be_swept() -> None:
    for key in ("name", "hydra.sweep.dir", "hydra/launcher"):
        with pytest.raises(InputError, match=f"^{key}: cannot be swept"):
            plan([[f"{key}=a"], [f"{key}=b"]])
    assert folders(["name=a", "seed=1"]) == ["seed=1"]


def test_earlier_results_of_the_same_jobs_do_not_count(tmp_path: Path) -> None:
    jobs = plan([["seed=1"], ["seed=2"]])
    for folder in ("seed=1", "seed=3"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "summary.json").write_text("{}")
    assert opened(tmp_path, jobs) == jobs
    assert collect(tmp_path, dict.fromkeys(jobs, "abc")) == ([], jobs)
    assert (tmp_path / "seed=3/summary.json").exists()


def opened(
    sweep: Path, jobs: list[Job], *, rerun: str = "missing", states: dict[Job, State] | None = None
) -> list[Job]:
    """Open a sweep whose jobs all have the hash abc."""
    found = {job: state(sweep / job.folder, "abc") for job in jobs} if states is None else states
    return open_sweep(sweep, dict.fromkeys(jobs, "abc"), found, {}, rerun)


def leave(folder: Path, **files: str) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / {"summary": "summary.json", "error": "error.txt"}[name]).write_text(text)


def test_what_an_earlier_run_has_left_is_recognised(tmp_path: Path) -> None:
    leave(tmp_path / "done", summary='{"config_hash": "abc"}')
    leave(tmp_path / "other", summary='{"config_hash": "abd"}')
    leave(tmp_path / "cut", summary='{"config_hash": "ab')
    leave(tmp_path / "odd", summary='["config_hash"]')
    leave(tmp_path / "failed", error="ValueError: why\n")
    states = {
        Job((name,), name): state(tmp_path / name, "abc") for name in ("done", "other", "cut", "odd", "failed", "no")
    }
    assert [str(found) for found in states.values()] == ["done", "other", "left", "left", "failed", "left"]
    assert [job.folder for job in to_run(states, "missing")] == ["other", "cut", "odd", "failed", "no"]
    assert [job.folder for job in to_run(states, "failed")] == ["failed"]
    assert to_run(states, "all") == list(states)


def test_a_damaged_result_is_kept_aside_and_the_rest_of_what_is_run_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path / "done", summary='{"config_hash": "abc"}')
    leave(tmp_path / "cut", summary='{"config_hash": "ab', error="why\n")
    leave(tmp_path / "other", summary='{"config_hash": "abd"}')
    done, cut, other = (Job((name,), name) for name in ("done", "cut", "other"))
    assert opened(tmp_path, [done, cut, other]) == [cut, other]
    assert (tmp_path / "cut/summary.json.damaged").read_text() == '{"config_hash": "ab'
    assert "cut/summary.json.damaged: it or what it sums up was damaged" in caplog.text
    assert sorted(path.name for path in tmp_path.rglob("[!.]*.*")) == [
        "jobs.json",
        "summary.json",
        "summary.json.damaged",
    ]
    assert (tmp_path / "done/summary.json").exists()
    assert opened(tmp_path, [done], rerun="all") == [done]
    assert not (tmp_path / "done/summary.json").exists()


def test_what_a_process_of_an_earlier_run_still_works_on_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path / "busy", error="an older one\n")
    busy = Job(("busy",), "busy")
    with lock(tmp_path / "busy", wait=True):
        assert opened(tmp_path, [busy]) == [busy]
    assert (tmp_path / "busy/error.txt").exists()
    assert f"busy: process {os.getpid()} on" in caplog.text


def test_what_such_a_process_has_just_finished_stays(tmp_path: Path) -> None:
    leave(tmp_path / "just", summary='{"config_hash": "abc"}')
    just = Job(("just",), "just")
    assert opened(tmp_path, [just], states={just: State.LEFT}) == [just]
    assert state(tmp_path / "just", "abc") is State.DONE


def test_a_sweep_of_places_alone_still_names_its_job() -> None:
    assert folders(["n_jobs=2"]) == ["job"]


def test_long_names_are_cut_and_stay_different() -> None:
    long = folders(*[[f"task.archs=[{','.join(map(str, range(200)))},{last}]"] for last in (1, 2)])
    assert len(set(long)) == 2
    assert all(len(folder) < 250 for folder in long)


def test_results_hold_every_finished_job_and_the_failed_are_named(tmp_path: Path) -> None:
    jobs = [Job((f"seed={seed}",), f"seed={seed}") for seed in range(4)]
    for job, summary in (
        (jobs[0], {"seed": 0, "val_acc_mean": 90.5, "config_hash": "abc"}),
        (jobs[2], {"seed": 2, "config_hash": "abc", "extra": None}),
    ):
        (tmp_path / job.folder).mkdir()
        (tmp_path / job.folder / "summary.json").write_text(json.dumps(summary))
    (tmp_path / jobs[1].folder).mkdir()
    (tmp_path / jobs[1].folder / "error.txt").write_text("Traceback\n  ...\nValueError: why\n")
    finished, failed = collect(tmp_path, dict.fromkeys(jobs, "abc"))
    assert [row["job"] for row in finished] == ["seed=0", "seed=2"]
    assert failed == [jobs[1], jobs[3]]
    write_results(tmp_path, finished)
    assert (tmp_path / "results.csv").read_text() == (
        "job,seed,val_acc_mean,config_hash,extra\nseed=0,0,90.5,abc,\nseed=2,2,,abc,\n"
    )


def test_a_truncated_summary_is_a_failed_job(tmp_path: Path) -> None:
    (tmp_path / "seed=0").mkdir()
    (tmp_path / "seed=0" / "summary.json").write_text('{"seed": 0')
    assert collect(tmp_path, {Job(("seed=0",), "seed=0"): "abc"})[1] == [Job(("seed=0",), "seed=0")]


def test_a_result_of_another_configuration_is_none(tmp_path: Path) -> None:
    leave(tmp_path / "seed=0", summary='{"config_hash": "abd"}')
    assert collect(tmp_path, {Job(("seed=0",), "seed=0"): "abc"})[1] == [Job(("seed=0",), "seed=0")]


@given(NAMES)
def test_a_jobs_folder_is_one_that_can_be_made_in_the_sweeps(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    if is_a_jobs_folder(name):
        sweep = tmp_path_factory.mktemp("sweep")
        (sweep / name).mkdir()
        assert [path.name for path in sweep.iterdir()] == [name]


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=3))
def test_the_folders_of_a_sweep_can_be_a_jobs_folders(values: list[str]) -> None:
    assert all(is_a_jobs_folder(job.folder) for job in plan([[f"algo.x={value}"] for value in values]))
