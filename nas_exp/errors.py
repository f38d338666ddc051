"""The one error that a user's input can cause, and other errors told in one line."""

import errno
import os
import traceback
from typing import TypeGuard

_KEPT = "run the same command again: what is finished is kept"
_OF_THE_DISK = {
    errno.ENOSPC: f"the disk is full; free space and {_KEPT}",
    errno.EDQUOT: f"the quota is used up; free space and {_KEPT}",
    errno.EROFS: "the file system is read-only; make it writable or choose another folder "
    "(NAS_EXP_DATA or paths.data for tables, hydra.run.dir or hydra.sweep.dir for results)",
}
"""What is wrong with a disk, and nothing that the program does: by number."""


class InputError(Exception):
    """Bad input: one line that names the key or file, what was found and what was expected.

    The command line prints the line alone and exits with code 2; a library user sees an ordinary exception.
    """


def in_one_line(error: BaseException) -> str:
    """Return the message of any exception in one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def in_one_line_with_type(error: BaseException) -> str:
    """Return the type and the message of any exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def in_short(error: BaseException) -> str:
    """Return any exception in one line: in its own words if it is about input or a file, otherwise with its type."""
    if is_about_files(error):
        return about_file(error)
    return str(error) if isinstance(error, InputError) else in_one_line_with_type(error)


def raised_in(error: BaseException) -> str:
    """Return the name of the package whose code has raised an exception that was caught."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    package: str = innermost.f_globals.get("__name__", "").partition(".")[0]
    return package


def is_about_files(error: BaseException) -> TypeGuard[OSError]:
    """Whether an exception is about a file or folder that the user has named, or about the disk that it is on."""
    return isinstance(error, OSError) and (error.filename is not None or is_about_disk(error))


def is_about_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether the disk is what is wrong: it is full or read-only, for whatever is written to it."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def about_file(error: OSError, place: str | os.PathLike[str] = "a temporary file") -> str:
    """Return one line that names the file or folder, what is wrong with it and, where that is known, what to do.

    Args:
        error: what happened.
        place: where, if the error does not say so.
    """
    wrong = _OF_THE_DISK.get(error.errno or 0) or error.strerror or in_one_line(error)
    return f"{os.fspath(place) if error.filename is None else error.filename}: {wrong}"
