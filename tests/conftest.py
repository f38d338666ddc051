"""What several tests need: the real data, and the command line as a user meets it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
