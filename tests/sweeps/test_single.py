"""The folder of a single job: what it made is replaced by itself alone, what it did not make is never touched."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.storage.locks import lock
from nas_exp.storage.summary import ERROR, FILES, STARTED
from nas_exp.sweeps.single import check_ours, make_new
from tests.conftest import RunProgram

SMALL = ("algo.N=12", "runs=2", "network.C=4", "network.N=1")
NAMES = (*FILES, "run.log", "a.log", "notes.txt", ".hydra/config.yaml", ".hydra/hydra.yaml", "runs.csv.damaged")


def tree(folder: Path) -> dict[str, str]:
    """All files in a folder, with their content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    "refused",
    [("algo.N=-1",), ("algo=nonsense",), ("dry_run=true",), ("rerun=all",), ("hydra.output_subdir=null",), ("nam=e",)],
)
def test_a_refused_command_changes_nothing_in_the_folder_that_it_names(
    program: RunProgram, tmp_path: Path, refused: Sequence[str]
) -> None:
    for name in NAMES:
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(name)
    before = tree(tmp_path)
    for folder in ("mine", "new"):
        assert program(*refused, f"hydra.run.dir={folder}").returncode == 2
    assert tree(tmp_path) == before
    assert not (tmp_path / "new").exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.sampled_from(NAMES)),
    names_us=st.booleans(),
    locked=st.sampled_from([None, b"", b"process 1 on here", b"somebody's"]),
)
def test_files_of_others_are_never_replaced(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], names_us: bool, locked: bytes | None
) -> None:
    folder, says = tmp_path_factory.mktemp("job"), STARTED.with_name("hydra.yaml")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("sweeper: hydra_plugins.nas_exp_sweeper" if names_us else "somebody's")
    if locked is not None:
        (folder / ".lock").write_bytes(locked)
    before = tree(folder)
    is_ours = locked in (b"", b"process 1 on here") or (names_us and str(says) in names)
    if before.keys() & {*FILES, ".lock", str(STARTED), str(says)} and not is_ours:
        with pytest.raises(InputError, match="expected another folder"):
            check_ours(folder, (*FILES, ".hydra"), says=says)
    else:
        check_ours(folder, (*FILES, ".hydra"), says=says)
    assert tree(folder) == before


def test_another_configuration_under_a_taken_name_is_refused(program: RunProgram, tmp_path: Path) -> None:
    first = ("algo=nsga2", "algo.P=4", "name=x", *SMALL)
    assert program(*first).returncode == 0
    before = tree(tmp_path)
    assert "pareto.csv" in os.listdir(tmp_path / "outputs/x")
    for other in (("algo=rs",), ("algo=nsga2", "algo.P=4", "seed=1"), ("metric=val_acc",)):
        done = program(*other, "name=x", *SMALL)
        assert (done.returncode, done.stdout) == (2, "")
        told = "error: outputs/x: has the result of another configuration; expected another name for this one\n"
        assert done.stderr == told
    assert tree(tmp_path) == before
    done = program(*first, "n_jobs=2")  # the same configuration, wherever it runs
    assert done.returncode == 0
    assert tree(tmp_path).keys() == before.keys()


def test_what_a_failed_job_has_left_goes(program: RunProgram, tmp_path: Path) -> None:
    folder = tmp_path / "outputs/x"
    assert program("metric=val_acc", "name=x").returncode == 2
    assert (folder / ERROR).exists()
    (folder / "pareto.csv").write_text("of a killed job")
    (folder / "notes.txt").write_text("the user's")
    assert program("algo=rs", "name=x", *SMALL).returncode == 0
    assert not (folder / ERROR).exists()
    assert not (folder / "pareto.csv").exists()
    assert (folder / "notes.txt").read_text() == "the user's"


def test_a_folder_is_one_jobs_at_a_time(program: RunProgram, tmp_path: Path) -> None:
    folder = tmp_path / "outputs/x"
    folder.mkdir(parents=True)
    with lock(folder, wait=False):
        before = tree(tmp_path)
        done = program("algo=rs", "name=x", *SMALL)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: outputs/x: process {os.getpid()} on ")
        assert tree(tmp_path) == before


def test_jobs_without_a_name_never_share_a_folder(tmp_path: Path) -> None:
    made = [make_new(tmp_path / "outputs/2026-01-01_00-00-00-000000") for _ in range(5)]
    assert len(set(made)) == 5
    assert all(folder.is_dir() for folder in made)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_new(tmp_path / "file/x")


@pytest.mark.parametrize("mode", [(), ("-m", "seed=0,1")])
def test_two_commands_of_one_moment_have_folders_of_their_own(
    program: RunProgram, tmp_path: Path, mode: Sequence[str]
) -> None:
    frozen = "name=${now:moment}"  # as the time of a clock that stands still
    for seed in (3, 4):
        assert program(*mode, "algo=rs", f"metric.seed={seed}", frozen, *SMALL).returncode == 0
    (place,) = [path for path in tmp_path.iterdir() if path.name in ("outputs", "multirun_sweeps")]
    assert sorted(os.listdir(place)) == ["moment", "moment-2"]


def test_a_sweep_replaces_no_results_of_others(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/results.csv").write_text("the user's")
    before = tree(tmp_path)
    done = program("-m", "seed=0,1", "hydra.sweep.dir=mine", *SMALL)
    assert (done.returncode, done.stderr) == (
        2,
        "error: mine/results.csv: is there, and no job of ours has made it; expected another folder\n",
    )
    assert tree(tmp_path) == before
