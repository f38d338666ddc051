"""Folders that one process works in at a time, on this machine or on another that shares the file system.

The lock is the operating system's own (`flock`) on a small file in the folder, so it ends with the process that holds
it, however that ends. The file stays: to remove it would let two processes hold locks on two files of one name.
"""

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO

from nas_exp.errors import LONGEST, InputError, shown
from nas_exp.storage.files import open_regular

log = logging.getLogger(__name__)

LOCK = ".lock"
"""The file in a folder that is locked. It stays, and so says that the folder is ours."""
_SIGNED = b"process "


@contextmanager
def lock(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold a folder's lock for a block.

    Args:
        folder: the folder, which exists.
        wait: whether to wait for a process that holds it; the log names that process.

    Raises:
        InputError: another process holds it, and we are not to wait; the line names that process.
        OSError: the folder cannot be written to.
    """
    with open(folder / LOCK, "ab+", buffering=0) as file:
        if not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not wait:
                raise InputError(
                    f"{folder}: {_holder(file)} is working there; wait until it has ended, or choose another name"
                )
            log.info("%s is working in %s; waiting for it", _holder(file), folder)
            _lock(file, fcntl.LOCK_EX)
        _sign(file)
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder."""
    try:
        with open_regular(folder / LOCK) as file:
            return not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False


def has_been_locked(folder: Path) -> bool:
    """Whether a process of ours has worked in a folder; on a full disk it may not have said which."""
    try:
        with open_regular(folder / LOCK) as file:
            return file.read(len(_SIGNED)) in (b"", _SIGNED)
    except (OSError, InputError):
        return False


def _lock(file: IO[bytes], operation: int) -> bool:
    """Lock a file until it is closed; return False if another process holds it and `operation` does not wait."""
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:  # each kind of file system without locks says so in its own way
        log.warning("%s: the file system has no locks (%s); run one sweep there at a time", file.name, error.strerror)
    return True


def _sign(file: FileIO) -> None:
    with suppress(OSError):  # on a full disk the lock holds, but others do not learn whose it is
        file.truncate(0)
        file.write(_SIGNED + f"{os.getpid()} on {socket.gethostname()}".encode())


def _holder(file: FileIO) -> str:
    file.seek(0)
    return shown(file.read(LONGEST).decode(errors="replace")) or "another process"
