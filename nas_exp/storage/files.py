"""Files appear whole or not at all, and only regular files are read."""

import contextlib
import errno
import io
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from nas_exp.errors import InputError

_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", re.IGNORECASE)
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/.*?(?:\nsize (\d+)|\Z)", re.DOTALL)


def stands_for_a_file(begins: bytes) -> str | None:
    """Return what is in place of a file, and what to do, by how it begins; None if nothing is known to be."""
    if _PAGE.match(begins):
        return "a web page instead of the file; download it again"
    if pointer := _POINTER.match(begins):
        of = f" of {int(pointer[1]):,} bytes" if pointer[1] else ""
        return f"a Git LFS pointer to a file{of} instead of the file; get it by git lfs pull"
    return None


def open_regular(path: Path) -> io.BufferedReader:
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
        if (found := stands_for_a_file(begins)) is not None:
            stream.close()
            raise InputError(f"{path}: is {found}")
        return stream
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise InputError(f"{path}: is no regular file; expected one, not a pipe or a device")


def read_small(path: Path, *, at_most: int = 2**26) -> bytes:
    """Return the content of a regular file that this program has written and that is never large.

    Raises:
        InputError: it is no regular file, or larger than `at_most` bytes.
        OSError: it cannot be read, as when there is none or it is a folder.
    """
    with open_regular(path) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise InputError(f"{path}: has more than {at_most:,} bytes, which no such file has")
    return content


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; when the block ends well, rename it to `path`.

    The folder is made if missing. The data is flushed to disk before the rename, so neither a reader nor a kill ever
    meets half a file. The temporary name is hidden (it starts with a dot) and unique, keeps the suffix of `path`, and
    is removed if the block raises. A file keeps its permissions.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; it names the folder, or `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name may be as long as the file system allows
    temporary = path.with_name(f".{path.stem[:20]}.{uuid.uuid4().hex}{path.suffix[:20]}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        # what fails in writing and not in opening has no name, and the temporary one tells nobody anything
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with contextlib.suppress(OSError):  # the error above is what counts
            temporary.unlink(missing_ok=True)


def write_as_named(path: Path, text: str) -> None:
    """Write `text` to where a user has said: a link is followed, and what is no regular file is written into.

    Raises:
        OSError: it cannot be written to, as when it is a folder, or the disk is full.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
    else:
        write_text(path.resolve(), text)


def check_writable(folder: Path) -> None:
    """Write a file into a folder, which is made if missing, and remove it.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    probe = folder / f".probe-{uuid.uuid4().hex}"
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
