"""Folders that one process works in at a time, tried with real processes."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_exp.errors import InputError
from nas_exp.networks import devices
from nas_exp.storage.locks import is_locked, lock

HOLD = """
import sys, time
from pathlib import Path
from nas_exp.storage.locks import lock
with lock(Path(sys.argv[1]), wait=True):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_whoever_does_not_wait_is_told_who_is_there(tmp_path: Path) -> None:
    with hold(tmp_path, 60) as process:
        assert is_locked(tmp_path)
        with (
            pytest.raises(InputError, match=rf"process {process.pid} on \S+ is working there; wait"),
            lock(tmp_path, wait=False),
        ):
            pass
        # a kill ends it as well
        process.kill()
        process.wait()
        assert not is_locked(tmp_path)
        with lock(tmp_path, wait=False):
            assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_whoever_comes_second_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with hold(tmp_path, 1) as process:
        start = time.monotonic()
        with lock(tmp_path, wait=True):
            assert time.monotonic() - start > 0.5
        assert f"process {process.pid} on" in caplog.text


def test_nobody_holds_a_folder_that_was_never_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL", "EPERM", "EIO", "EACCES", "ENOTTY"])
def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    number = getattr(errno, name)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock(tmp_path, wait=False):
        told = f"the file system has no locks ({os.strerror(number)}); run one sweep there at a time"
        assert told in caplog.text
    assert not is_locked(tmp_path)
    assert devices.take(["one", "another"], folder=tmp_path / "seats") == 0


def test_what_a_lock_does_not_say_is_no_error(tmp_path: Path) -> None:
    with hold(tmp_path, 60) as process:
        (tmp_path / ".lock").write_bytes(b"\xff\x1b[31m" * 1000)
        with pytest.raises(InputError, match="is working there") as raised, lock(tmp_path, wait=False):
            pass
        assert str(raised.value).isprintable()
        process.kill()
