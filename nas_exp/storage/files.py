"""Files appear whole or not at all."""

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nas_exp.errors import InputError


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
    """Write something into a folder, which is made if missing, and take it away again.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    probe = folder / "probe"
    with replacing(probe) as temporary:
        temporary.write_bytes(bytes(4096))
    probe.unlink(missing_ok=True)


def set_aside(path: Path, check: Callable[[Path], object]) -> str | None:
    """Give a damaged file another name in its folder, so that it can be made anew and nothing of it is lost.

    Args:
        path: the file.
        check: raises `InputError` if a file is damaged. It is asked once more: another process may have put a whole
            file there since, which goes back to its place.

    Returns:
        How to go on after what is wrong: "; it is now …", or "" where the folder does not let us; None if another
        process has seen to it.
    """
    aside, number = path.with_name(f"damaged-{path.name}"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"damaged-{number}-{path.name}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    try:
        check(aside)
    except InputError:
        return f"; it is now {aside.name}"
    aside.rename(path)
    return None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path` as indented JSON, atomically; NaN and infinities are refused (`ValueError`)."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
