"""Files appear whole or not at all, and only regular files are read."""

import contextlib
import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nas_exp.errors import InputError

_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/.*?(?:\nsize (\d+)|\Z)", re.DOTALL)


def open_regular(path: Path) -> BinaryIO:
    """Open a file of data for reading, unless it only stands for one or is none.

    A named pipe, a device or a socket may never end, or block. A download may have left a web page in place of the
    file, and a clone without Git LFS a pointer to it.

    Raises:
        InputError: it is no regular file, a web page or a pointer.
        OSError: it cannot be opened, as when there is none or it is a folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        stream = os.fdopen(descriptor, "rb")
        begins = os.pread(descriptor, 512, 0)
        if _PAGE.match(begins):
            stream.close()
            raise InputError(f"{path}: is a web page instead of the file; download it again")
        if pointer := _POINTER.match(begins):
            stream.close()
            of = f" of {int(pointer[1]):,} bytes" if pointer[1] else ""
            raise InputError(f"{path}: is a Git LFS pointer to a file{of} instead of the file; get it by git lfs pull")
        return stream
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise InputError(f"{path}: is no regular file; expected one, not a pipe or a device")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; when the block ends well, rename it to `path`.

    The folder is made if missing. The data is flushed to disk before the rename, so neither a reader nor a kill ever
    meets half a file. The temporary name is hidden (it starts with a dot) and unique, keeps the suffix of `path`, and
    is removed if the block raises.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; it names the folder, or `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # what fails in writing and not in opening has no name, and the temporary one tells nobody anything
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with contextlib.suppress(OSError):  # the error above is what counts
            temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Write a file into a folder, which is made if missing, and remove it.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    probe = folder / "probe"
    with replacing(probe) as temporary:
        temporary.write_bytes(bytes(4096))
    probe.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, atomically.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
