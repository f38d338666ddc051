"""Files of ours that are no longer what was written: named, and set aside so that they can be written again."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nas_exp.errors import InputError

log = logging.getLogger(__name__)

Content = TypeVar("Content")


class DamagedError(InputError):
    """A file is not what this program has written to it."""


def read_or_set_aside(path: Path, read: Callable[[Path], Content], *, then: str) -> Content | None:
    """Read a file; if it is damaged, rename it, log one line and return None.

    Args:
        path: the file.
        read: returns its content, or raises `DamagedError`.
        then: what follows from the damage, for the log.

    Raises:
        OSError: the file cannot be read, as when there is none.
    """
    try:
        return read(path)
    except DamagedError as error:
        if (renamed := set_aside(path, read)) is not None:
            log.warning("%s%s; %s", error, renamed, then)
    return None


def set_aside(path: Path, read: Callable[[Path], object]) -> str | None:
    """Rename a damaged file within its folder, so that nothing of it is lost when it is written again.

    Args:
        path: the file.
        read: raises `InputError` if a file is damaged. The renamed file is read once more: if another process has
            meanwhile replaced it by a whole one, it gets its name back.

    Returns:
        The end of a message about the damage: "; it is now …", or "" if the folder is read-only. None if there is
        nothing to tell, because another process has set it aside or written it again.
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
        read(aside)
    except InputError:
        return f"; it is now {aside.name}"
    aside.rename(path)
    return None
