"""Short names for contents."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SEAL = "seal"
"""The key under which a mapping holds a digest of the rest of it."""


def digest(content: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify a JSON-like mapping, whatever the order of its keys.

    Whole numbers are the same with and without a decimal point, as on the command line.
    """
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()[:16]


def sealed(content: Mapping[str, Any], files: Iterable[Path] = ()) -> dict[str, Any]:
    """Return a JSON-like mapping with a seal: a digest of it, and of the bytes of the files that belong to it."""
    told = {str(number): _digest_of_file(file) for number, file in enumerate(files)}
    return {**content, SEAL: digest({**content, SEAL: told})}


def is_whole(content: Mapping[str, Any], files: Iterable[Path] = ()) -> bool:
    """Whether a mapping and its files are what they were when it was sealed; what was never sealed counts as whole."""
    return SEAL not in content or content == sealed({k: v for k, v in content.items() if k != SEAL}, files)


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
