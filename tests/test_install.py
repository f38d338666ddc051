"""The package as its users install it: a wheel, an environment without a checkout, an empty folder."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.job_files import only, rows, without_seconds

Run = Callable[..., str]

SOURCES = ("nas_exp", "hydra_plugins", "conf", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")

METRIC = "def last(network, batch):\n    return float(network.classifier.weight.abs().sum())\n"
MINE = """# The weights of the classifier.
name: mine
_target_: my_metric.last
input: ones
network: modules
batch_size: null
dtype: float32
seed: 0
version: 1
"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: building leaves files beside them, and takes up those of earlier builds."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment that has the wheel and the libraries of this one, but not our checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    python = folder / "env/bin/python"
    for command in (
        (*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)),
        (sys.executable, "-m", "venv", "--without-pip", str(folder / "env")),
    ):
        subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run((*pip, "--python", str(python), "install", "--no-deps", str(wheel)), check=True)
    # as a plain line of a .pth file a folder is searched, but its own .pth files, as ours, are not read
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(libraries), encoding="utf-8")
    return python.parent


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a command of the environment in an empty folder; returns what it prints, also on stderr."""

    def run(command: str, *arguments: str, exit_code: int = 0) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NAS_EXP"))}
        done = subprocess.run(
            [command, *arguments],
            cwd=tmp_path,
            env={**environment, "PATH": f"{installed}:{os.environ['PATH']}", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout
        return done.stdout

    return run


def choice(folder: Path, name: str, text: str) -> None:
    """Write a file of the folder's own conf/."""
    path = folder / "conf" / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def test_the_command_says_its_version_and_what_it_does(run: Run) -> None:
    assert run("nas-exp", "--version") == run("python", "-m", "nas_exp", "runs=2", "--version") == "nas-exp 0.1.0\n"
    told = run("nas-exp", "--help")
    assert "\nnas-exp metric=relu algo=rs" in told
    assert "zico " in told
    assert "\npython -m nas_exp metric=relu algo=rs" in run("python", "-m", "nas_exp", "--help")


def test_a_search_writes_into_the_current_folder(run: Run, tmp_path: Path) -> None:
    run("python", "-m", "nas_exp", "algo.N=20", "runs=2", "name=one")
    assert len(rows(tmp_path / "outputs/one/runs.csv")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs"]
    assert (tmp_path / "outputs/one/run.log").exists()


def test_a_sweep_runs_and_names_the_command_that_goes_on(run: Run, tmp_path: Path) -> None:
    sweep = ("metric=relu,synflow", "algo=rs", "-m", "algo.N=20", "runs=2", "name=two")
    assert "2 of 2 jobs finished" in run("nas-exp", *sweep)
    assert {row["metric"] for row in rows(tmp_path / "multirun_sweeps/two/results.csv")} == {"relu", "synflow"}
    assert only(tmp_path, "multirun_sweeps/two/*relu*/run.log").exists()
    (tmp_path / "moody.py").write_text("def search(score, space, rng, *, N: int):\n    raise ValueError('a bad day')\n")
    choice(tmp_path, "algo/moody", "name: moody\n_target_: moody.search\nN: 1\n")
    told = run("nas-exp", "algo=rs,moody", "algo.N=5", "runs=1", "name=bad", "-m", exit_code=1)
    assert told.endswith("to run what is missing: nas-exp -m algo=rs,moody algo.N=5 runs=1 name=bad\n")


def test_choices_and_modules_of_the_current_folder_are_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my_metric.py").write_text(METRIC, encoding="utf-8")
    choice(tmp_path, "metric/mine", MINE)
    assert "\nmine " in run("nas-exp", "--help")
    small = ("network.C=4", "network.N=1", "algo.N=5", "runs=1")
    run("nas-exp", "-m", "metric=mine,synflow", *small, "name=both")
    (tmp_path / "conf").rename(tmp_path / "elsewhere")
    assert "metric=mine: unknown" in run("nas-exp", "metric=mine", *small, exit_code=2)
    run("nas-exp", "--config-dir", "elsewhere", "metric=mine", *small, "name=given")
    both, given = only(tmp_path, "multirun_sweeps/both/*mine*"), tmp_path / "outputs/given"
    assert without_seconds(both / "runs.csv") == without_seconds(given / "runs.csv")


def test_python_has_the_same_choices(run: Run, tmp_path: Path) -> None:
    choice(tmp_path, "algo/few", "name: few\n_target_: nas_exp.algos.rs.search\nN: 3\n")
    code = "from nas_exp.notebook import configure, search; print(len(search(configure('algo=few', 'runs=2'))))"
    assert run("python", "-c", code) == "2\n"


def test_the_command_completes_words(run: Run) -> None:
    assert run("nas-exp", "-sc", "install=bash").endswith(" nas-exp\n")
    assert "metric=synflow " in run("env", "COMP_LINE=nas-exp metric=syn", "nas-exp", "-sc", "query=bash")


def test_a_source_distribution_holds_what_a_wheel_is_built_from(source: Path) -> None:
    build = "import setuptools.build_meta as build; build.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    with tarfile.open(only(source, "dist/*.tar.gz")) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    kept = [
        path.relative_to(ROOT) for name in ("conf", "nas_exp", "hydra_plugins") for path in (ROOT / name).rglob("*")
    ]
    assert {str(path) for path in kept if "__pycache__" not in path.parts} <= packed
