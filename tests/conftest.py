"""What several tests need: the real data, and the command line as a user meets it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nas_exp.benchmarks import DATASETS, file_columns
from tests.topology import TOPOLOGY

# Before torch is imported: small tensors on two threads wait for each other more than they compute
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent

RunProgram = Callable[..., "subprocess.CompletedProcess[str]"]


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


@pytest.fixture
def program(tmp_path: Path) -> RunProgram:
    """`python run.py …` in a folder of its own, with tables of its own; returns the finished process."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(ROOT / "run.py"), *arguments],
            cwd=tmp_path,
            env={**os.environ, "NAS_EXP_DATA": str(tmp_path / "data"), "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
