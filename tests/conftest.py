"""What several tests need: the real data, and the command line as a user meets it."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nas_exp.benchmarks import DATASETS, file_columns
from tests.forks import Fork, Forks
from tests.topology import TOPOLOGY

# Before torch is imported: small tensors on two threads wait for each other more than they compute
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent

RunProgram = Callable[..., "subprocess.CompletedProcess[str]"]
StartProgram = Callable[..., Fork]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data."""
    folder = os.environ.get("NAS_EXP_TEST_DATA")
    if folder is None:
        pytest.skip("needs real data: set NAS_EXP_TEST_DATA to its folder")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made-up benchmark of every dataset, for benchmark=table: all accuracies and costs there are."""
    folder, rng, size = tmp_path_factory.mktemp("tables"), np.random.default_rng(0), len(TOPOLOGY)
    for dataset in DATASETS:
        names = file_columns(TOPOLOGY.schedules).values()
        columns: dict[str, npt.NDArray[Any]] = {name: rng.uniform(10, 90, size).round(3) for name in names}
        columns["arch_str"] = np.array([TOPOLOGY.spell(arch) for arch in range(size)])
        lines = (",".join(map(str, row)) for row in zip(*columns.values(), strict=True))
        (folder / f"{dataset}.csv").write_text("\n".join([",".join(columns), *lines]), encoding="utf-8")
    return folder


@pytest.fixture
def drawn_images(tmp_path: Path) -> Path:
    """A folder, the test's own, with CIFAR-10's file of 24 random images of three classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "cifar10.npz", images=images, labels=rng.integers(0, 3, 24))
    return tmp_path


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts Python scripts fast, in processes that have the libraries imported."""
    with contextlib.closing(Forks()) as forks:
        yield forks


@pytest.fixture(scope="session")
def program_in(forks: Forks) -> RunProgram:
    """`python run.py …` in the folder that is the first argument; returns the finished process."""

    def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return forks.run(str(ROOT / "run.py"), *arguments, cwd=folder, env=environment_in(folder, **environment))

    return run


@pytest.fixture
def program(program_in: RunProgram, tmp_path: Path) -> RunProgram:
    """`python run.py …` in a folder of its own, with tables of its own; returns the finished process."""
    return functools.partial(program_in, tmp_path)


@pytest.fixture
def start_program(forks: Forks, tmp_path: Path) -> StartProgram:
    """What `program` does, without waiting for it; the process leads a process group of its own."""

    def start(*arguments: str, **environment: str) -> Fork:
        return forks.start(str(ROOT / "run.py"), *arguments, cwd=tmp_path, env=environment_in(tmp_path, **environment))

    return start


@pytest.fixture
def new_program(tmp_path: Path) -> RunProgram:
    """What `program` does, in an interpreter of its own, which has imported nothing and has a hash seed of its own."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(ROOT / "run.py"), *arguments],
            cwd=tmp_path,
            env=environment_in(tmp_path, **environment),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def environment_in(folder: Path, **environment: str) -> dict[str, str]:
    return {**os.environ, "NAS_EXP_DATA": str(folder / "data"), "COLUMNS": "200", **environment}
