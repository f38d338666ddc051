"""The error that bad input causes, and any error in one line."""

import errno
import os
import re
import traceback
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor
from typing import TypeGuard

_KEPT = "run the same command again: what is finished is kept"
_OF_THE_DISK = {
    errno.ENOSPC: f"the disk is full; free space and {_KEPT}",
    errno.EDQUOT: f"the quota is used up; free space and {_KEPT}",
    errno.EROFS: "the file system is read-only; make it writable or choose another folder "
    "(NAS_EXP_DATA or paths.data for tables, hydra.run.dir or hydra.sweep.dir for results)",
}
"""What is wrong with a disk and what to do, by error number."""
_OF_MEMORY = re.compile(
    r"out of memory|memory exhausted|(n't|cannot|unable to) allocate|bad_alloc|failed to map segment|start new thread",
    re.IGNORECASE,
)
"""How torch and those who load libraries or start threads say that memory is short; Python has `MemoryError`."""


LONGEST = 300
"""How many characters are shown of a text that is not ours: a value, a name, a message of a library."""
LONGEST_LINE = 1500
"""How many of a whole message."""


def shown(text: str, *, longest: int = LONGEST) -> str:
    """Return any text as one line of characters that can be printed; of a longer one the middle is left out.

    What cannot be printed, as control characters and halves of surrogate pairs, is escaped as Python writes it.
    """
    if len(text) > longest:
        half = longest // 2 - 20
        text = f"{text[:half]} … ({len(text):,} characters) … {text[-half:]}"
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def listed(names: Iterable[object]) -> str:
    """Return the first few of some names that are not ours, and how many more there are; "none" without any."""
    found = [str(name) for name in names]
    few = ", ".join(shown(name, longest=60) for name in found[:10]) or "none"
    return few if len(found) <= 10 else f"{few} and {len(found) - 10:,} more"


class InputError(Exception):
    """Bad input: one line that names the key or file, what was found and what was expected.

    The command line prints the line alone and exits with code 2; a library user sees an ordinary exception.
    """

    def __init__(self, message: str) -> None:
        """Keep the message as `shown`."""
        super().__init__(shown(message, longest=LONGEST_LINE))


class FailedError(Exception):
    """A job could not be done although nothing is wrong with its input: one line, and exit code 1."""


def in_one_line(error: BaseException) -> str:
    """Return the message of any exception as `shown`, or its type if it has none."""
    return shown(str(error)) or type(error).__name__


def describe(error: BaseException, place: str | os.PathLike[str] = "a temporary file") -> str:
    """Return any exception in one line.

    An error about a file or disk names the file and, where that is known, what to do; bad input keeps its own words;
    any other error begins with its type.

    Args:
        error: the exception.
        place: the file or folder, for an error about a disk that names none.
    """
    if is_about_files(error):
        wrong = _OF_THE_DISK.get(error.errno or 0) or error.strerror or in_one_line(error)
        return f"{os.fspath(place) if error.filename is None else error.filename}: {wrong}"
    if isinstance(error, InputError | FailedError):
        return str(error)
    return f"{type(error).__name__}: {shown(str(error))}"


def what_machine_lacks(error: BaseException) -> str | None:
    """Return in a few words what the machine has refused to a job; None if an exception is about something else."""
    if isinstance(error, BrokenExecutor):
        return "a worker process was killed, as happens when memory is short, in the middle of"
    in_words = isinstance(error, RuntimeError | ImportError) and _OF_MEMORY.search(str(error))
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM) or in_words:
        return "not enough memory for"
    return None


def raised_in(error: BaseException) -> str:
    """Return the name of the package whose code has raised an exception that was caught."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    package: str = innermost.f_globals.get("__name__", "").partition(".")[0]
    return package


def is_about_files(error: BaseException) -> TypeGuard[OSError]:
    """Whether an exception names a file or folder, or is about a disk."""
    return isinstance(error, OSError) and (error.filename is not None or is_about_disk(error))


def is_about_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether the cause is a full or read-only disk."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK
