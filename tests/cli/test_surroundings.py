"""The program where its surroundings are odd: its output, its folder, its arguments."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunProgram, environment_in

SMALL = ("algo=rs", "algo.N=3", "runs=1")


def in_shell(line: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell's line in which RUN is the program."""
    command = line.replace("RUN", shlex.join([sys.executable, str(ROOT / "run.py"), *SMALL]))
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=folder,
        env=environment_in(folder, **environment),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full", "| head -c 1", "| true"])
def test_output_that_nobody_takes_costs_no_result(tmp_path: Path, redirection: str) -> None:
    done = in_shell(f"RUN name=x {redirection}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "outputs/x/summary.json").exists()


def test_a_full_output_is_named_and_costs_no_result(tmp_path: Path) -> None:
    done = in_shell("RUN -m algo.N=3,4 name=x hydra/launcher=basic >/dev/full", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("standard output: No space left on device")
    assert (tmp_path / "multirun_sweeps/x/results.csv").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16", "cp1252"])
def test_every_encoding_can_show_results(program: RunProgram, encoding: str) -> None:
    done = program("-m", *SMALL[:2], "runs=2", "name='läuft'", "hydra/launcher=basic", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    if encoding == "ascii":
        assert r"multirun_sweeps/l\xe4uft/results.csv" in done.stdout
        assert "+-" in done.stdout
        lines = [line for line in done.stdout.splitlines() if line.startswith(("|", "+-"))]
        assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("name", ["a\\b", "q'q", 'q"q', "back\\", "a,b=c", "#h ~|x", "ünï", "$x", "{a}", "1e5", "~"])
def test_a_folder_may_have_any_name(program_in: RunProgram, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    done = program_in(folder, "-m", "algo=rs,ls", "algo.N=3", "runs=1", "name=s", "hydra/launcher=basic")
    assert done.returncode == 0, done.stderr
    assert (folder / "multirun_sweeps/s/results.csv").read_text(encoding="utf-8").count("\n") == 3
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["${x}", "${oc.env:HOME}", "a${hydra.job.name}"])
def test_a_folder_whose_name_hydra_would_resolve_is_refused(program_in: RunProgram, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    done = program_in(folder, *SMALL)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the current folder" in done.stderr
    assert list(folder.iterdir()) == []
    assert os.listdir(tmp_path) == [name]


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    done = in_shell("mkdir gone; cd gone; rmdir ../gone; RUN", tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: the current folder has been deleted; expected one that exists\n",
    )


def test_a_link_to_the_program_is_the_program(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(ROOT / "run.py")
    done = subprocess.run(
        [sys.executable, "link.py", *SMALL],
        cwd=tmp_path,
        env=environment_in(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", ["a=b", "ünï", "a'b", 'a"b', "a#b", "a~b", "(x)", "x]y", "{a", "algo=rs,algo.N=3"])
def test_a_value_with_a_meaning_to_hydra_is_shown_as_it_works(program: RunProgram, tmp_path: Path, value: str) -> None:
    (tmp_path / value).mkdir()
    done = program("benchmark=table", f"benchmark.path={value}")
    assert done.stderr.startswith(f"error: benchmark.path={value}: ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    (as_it_works,) = shlex.split(done.stderr.partition("in quotation marks: ")[2])
    again = program("benchmark=table", as_it_works)
    assert f"the folder {tmp_path / value}: found none" in again.stderr


def test_several_values_without_m_are_told_how(program: RunProgram) -> None:
    done = program("metric=relu,synflow")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: metric=relu,synflow: found several values; expected one, or -m")
    assert done.stderr.endswith(f"{ROOT / 'run.py'} -m metric=relu,synflow\n")


@pytest.mark.parametrize("mode", [(), ("-m",)])
@pytest.mark.parametrize("value", ["null", "elsewhere"])
def test_configurations_are_kept_where_reports_look(
    program: RunProgram, tmp_path: Path, mode: tuple[str, ...], value: str
) -> None:
    done = program(*mode, *SMALL, f"hydra.output_subdir={value}", "hydra/launcher=basic")
    assert (done.returncode, done.stderr) == (2, f"error: hydra.output_subdir={value}: expected .hydra\n")
    assert not (tmp_path / "multirun_sweeps").exists()


@pytest.mark.parametrize("value", ["1e5", "0.5", "1_0.0"])
def test_a_number_is_not_made_a_name(program: RunProgram, value: str) -> None:
    done = program(*SMALL, f"name={value}")
    assert done.returncode == 2
    assert "found a number; expected a word" in done.stderr


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("name", "'../up'"),
        ("dataset.name", "'<b>'"),
        ("metric.name", "'$x^2$'"),
        ("algo.name", "'=1+1'"),
        ("benchmark.name", '"a\x1b[2J"'),
        ("task.name", "''"),
        ("space.name", "'..'"),
    ],
)
def test_names_are_checked_before_anything_runs(program: RunProgram, tmp_path: Path, key: str, name: str) -> None:
    done = program("-m", *SMALL, f"{key}={name}", "hydra/launcher=basic")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{key}=" in done.stderr
    assert done.stderr.rstrip("\n").isprintable()
    assert not (tmp_path / "multirun_sweeps").exists()
