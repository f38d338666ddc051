"""JSON files that say whether they, and files that belong to them, are still what was written."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_exp.errors import InputError, in_one_line
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import open_regular, read_small, write_text

_LONGEST = 2**34
"""Bytes of a file that a seal covers. A file with holes may have more than could be read in a day."""
SEAL = "seal"
"""The key of a digest of the rest of the file, and of the files that belong to it."""


def digest(content: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify a JSON-like mapping, whatever the order of its keys.

    Whole numbers are the same with and without a decimal point, as on the command line.
    """
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()[:16]


def write_json(path: Path, content: Mapping[str, Any], files: Sequence[Path] = (), *, seal: bool = True) -> None:
    """Write a mapping as indented JSON, atomically.

    Args:
        path: the file.
        content: JSON values; NaN and infinities are refused (`ValueError`).
        files: files, there or not, that the seal covers as well.
        seal: whether the file gets a seal.
    """
    sealed = _sealed(content, files) if seal else content
    write_text(path, json.dumps(sealed, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, files: Sequence[Path] = (), *, is_sealed: bool = False) -> dict[str, Any]:
    """Read what `write_json` has written, without its seal.

    Args:
        path: the file.
        files: the files that the seal covers as well, in the order in which they were given to `write_json`.
        is_sealed: whether it must have a seal; otherwise a file that has none counts as whole.

    Raises:
        OSError: it cannot be read, as when there is no such file.
        DamagedError: it is not a JSON object, or it or one of `files` is not what was written.
    """
    try:
        content = json.loads(read_small(path))
        if not isinstance(content, dict):
            raise DamagedError(f"{path}: cut short or damaged (not a JSON object)")
        if is_sealed and SEAL not in content:
            raise DamagedError(f"{path}: has no seal, which says that it is what was written; run the sweep again")
        plain = {key: value for key, value in content.items() if key != SEAL}
        is_whole = SEAL not in content or content == _sealed(plain, files)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: cut short or damaged ({in_one_line(error)})") from None
    except (InputError, IsADirectoryError) as error:  # about it, or one of the other files
        raise DamagedError(in_one_line(error)) from None
    if not is_whole:
        if not files:
            raise DamagedError(f"{path}: not what was written")
        names = ", ".join(str(file.relative_to(path.parent)) for file in (path, *files))
        raise DamagedError(f"{path.parent}: {names}: one of them is not what was written")
    return plain


def _sealed(content: Mapping[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    of_files = {str(number): _digest_of_file(file) for number, file in enumerate(files)}
    return {**content, SEAL: digest({**content, SEAL: of_files})}


def _digest_of_file(file: Path) -> str | None:
    try:
        with open_regular(file) as stream:
            if os.fstat(stream.fileno()).st_size > _LONGEST:
                raise InputError(f"{file}: has more than {_LONGEST:,} bytes, which no such file has")
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
