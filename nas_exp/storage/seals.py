"""JSON files that say whether they, and files that belong to them, are still what was written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_exp.errors import in_one_line
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import write_text

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


def read_json(path: Path, files: Sequence[Path] = ()) -> dict[str, Any]:
    """Read what `write_json` has written, without its seal. A file that has no seal counts as whole.

    Args:
        path: the file.
        files: the files that the seal covers as well, in the order in which they were given to `write_json`.

    Raises:
        OSError: it cannot be read, as when there is no such file.
        DamagedError: it is not a JSON object, or it or one of `files` is not what was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path}: cut short or damaged ({in_one_line(error)})") from None
    if not isinstance(content, dict):
        raise DamagedError(f"{path}: cut short or damaged (not a JSON object)")
    plain = {key: value for key, value in content.items() if key != SEAL}
    if SEAL in content and content != _sealed(plain, files):
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
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
