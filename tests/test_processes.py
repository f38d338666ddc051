"""Processes end together: workers with their parent, whatever ends it, and a job with its workers, in one line."""

import errno
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError, what_machine_lacks
from nas_exp.storage.processes import check_environment
from tests.conftest import ROOT, RunProgram, StartProgram, environment_in

OURS = "from nas_exp.storage.processes import parallel as Parallel"
OF_A_LAUNCHER = """
from functools import partial
import joblib
from nas_exp.storage.processes import end_workers_with_us
end_workers_with_us()
Parallel = partial(joblib.Parallel, backend="loky")
"""
WORK = """
import sys, time
from pathlib import Path
import joblib

def work(place, depth):
    Path(place, str(depth)).touch()
    if depth == 1 and sys.argv[2] == "nested":
        import nas_exp.storage.processes
        nas_exp.storage.processes.parallel(2)(joblib.delayed(work)(place, 2 + number) for number in range(2))
    while True:  # as work does that no signal handler of Python's can end
        sum(range(10_000))

Parallel(n_jobs=4)(joblib.delayed(work)(sys.argv[1], number) for number in range(2))  # two have nothing to do
"""


def processes_of(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    begin = time.monotonic()
    while not condition() and time.monotonic() - begin < seconds:
        time.sleep(0.1)
    return condition()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        # started by nohup, they would ignore it
        heeding = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        (tmp_path / "script.py").write_text(heeding + code, encoding="utf-8")
        command = [sys.executable, str(tmp_path / "script.py"), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )
        return started[-1]

    yield run
    for process in started:
        for left in processes_of(process.pid):
            os.kill(left, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    "sent", ["KILL", *(pytest.param(sent, marks=pytest.mark.slow) for sent in ("HUP", "QUIT", "USR1"))]
)
@pytest.mark.parametrize("kind", ["ours", "nested", "launcher"])
def test_workers_end_with_their_parent(
    start: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path, kind: str, sent: str
) -> None:
    (tmp_path / "begun").mkdir()
    process = start((OF_A_LAUNCHER if kind == "launcher" else OURS) + WORK, str(tmp_path / "begun"), kind)
    expected = 4 if kind == "nested" else 2
    assert wait_for(lambda: len(list((tmp_path / "begun").iterdir())) == expected, 60)
    process.send_signal(signal.Signals[f"SIG{sent}"])
    process.wait(30)
    assert wait_for(lambda: processes_of(process.pid) == [], 15)


@pytest.mark.parametrize("sent", ["KILL", *(pytest.param(sent, marks=pytest.mark.slow) for sent in ("TERM", "ABRT"))])
def test_the_death_of_a_worker_is_one_line_and_keeps_what_was_computed(
    start_program: StartProgram, tmp_path: Path, sent: str
) -> None:
    job = start_program("task=score", "n_jobs=2", "metric.seed=7", "network.C=8", "network.N=8")
    try:
        assert wait_for(lambda: any(tmp_path.glob("data/scores/*/*/part-*")), 90)
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        os.kill(
            next(int(child) for child, command in commands.items() if b"LokyProcess" in command),
            signal.Signals[f"SIG{sent}"],
        )
        _, stderr = job.communicate(60)
    finally:
        job.kill()
    assert job.returncode == 1
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].startswith("error: a worker process was killed")
    assert "scores that were computed are kept" in stderr.splitlines()[-1]
    assert any(tmp_path.glob("data/scores/*/*/part-*"))


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_too_little_memory_is_one_line(tmp_path: Path, n_jobs: int) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "network.C=1024", "network.N=100", "metric.seed=3", f"n_jobs={n_jobs}"],
        cwd=tmp_path,
        env=environment_in(tmp_path, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: not enough memory for task=search metric=synflow")
    assert "C=1024" in last
    (note,) = tmp_path.glob("outputs/*/error.txt")
    assert len(note.read_text(encoding="utf-8").splitlines()) == 1


def _torch() -> Any:
    import torch

    return torch.empty(2**50)


@pytest.mark.parametrize(
    "allocate",
    [lambda: bytearray(2**50), lambda: np.empty(2**50), lambda: pa.allocate_buffer(2**50), _torch],
    ids=["Python", "NumPy", "Arrow", "torch"],
)
def test_every_library_is_understood_that_memory_is_short(allocate: Callable[[], Any]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        allocate()
    assert what_machine_lacks(raised.value) == "not enough memory for"


def test_other_errors_are_not_about_memory() -> None:
    others = (
        RuntimeError("shapes differ"),
        OSError(errno.ENOENT, "no such file"),
        ImportError("no module"),
        KeyError(1),
    )
    assert set(map(what_machine_lacks, others)) == {None}


@pytest.mark.parametrize(
    "arguments", [("n_jobs=2",), pytest.param(("-m", "seed=1,2", "hydra.launcher.n_jobs=2"), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("start", [("run.py",), ("-m", "nas_exp")])
def test_a_file_named_as_a_library_hides_none(tmp_path: Path, start: Sequence[str], arguments: Sequence[str]) -> None:
    for name in ("numpy", "torch", "random", "joblib", "logging", "hydra"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is no library')")
    shutil.copy(ROOT / "run.py", tmp_path)
    for name in ("nas_exp", "hydra_plugins", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, *start, "algo.N=8", "runs=2", "metric.seed=1", "network.C=4", "network.N=1", *arguments],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no library" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["LOKY_MAX_CPU_COUNT", "LOKY_MAX_DEPTH", "JOBLIB_MULTIPROCESSING", "JOBLIB_START_METHOD"]
)
@given(value=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20))
def test_odd_values_in_the_environment_of_joblib_are_named(name: str, value: str) -> None:
    with mock.patch.dict(os.environ, {name: value}):
        try:
            check_environment()
        except InputError as error:
            told = str(error)
            assert told.startswith(f"{name}=")
            assert "environment" in told
        else:  # what joblib does with it
            assert value.strip() in ("", *multiprocessing.get_all_start_methods()) or int(value) >= 0


def test_a_backend_for_windows_is_not_asked_for(program: RunProgram) -> None:
    done = program("algo.N=5", "runs=1", MPLBACKEND="nonsense")
    assert (done.returncode, done.stderr) == (0, "")
