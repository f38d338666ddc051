"""What people have in place of a NATS-Bench archive: what it is, and what to do."""

import re
from pathlib import Path

from nas_exp.errors import listed

META = "meta.pickle.pbz2"
EXPECTED = "expected a folder NATS-tss-…-simple or a file NATS-tss-….pickle.pbz2"

_WEIGHTS = f"the archive with the trained weights (-full), which are not needed; {EXPECTED}"
_PACKED = "still packed; unpack it (`tar xf`) and give the folder that comes of it"
_UNPACKED = "unpacked; expected it as it was downloaded, compressed by bzip2 and named ….pickle.pbz2"
_OF_TORCH = f"a file of torch, as NAS-Bench-201's old .pth; NATS-Bench has the same architectures: {EXPECTED}"
_NAMES = (
    (r"NATS-.*-full", _WEIGHTS),
    (r".*\.tar[a-z]{2}", f"a part of {_WEIGHTS}"),
    (r".*\.(tar|tgz|tar\..*)", _PACKED),
    (r".*\.pth", _OF_TORCH),
)
_HEADS = (
    (rb".{257}ustar", _PACKED),
    (rb"PK\x03\x04|\x80\x02\x8a\nl\xfc\x9cF", _OF_TORCH),
    (rb"\x80[\x02-\x05]", _UNPACKED),
    (rb"\Z", "empty; download it again"),
)


def by_name(path: Path) -> str | None:
    """Return what a file or folder is by its name, if that is known to be no archive that can be read."""
    return next((what for pattern, what in _NAMES if re.fullmatch(pattern, path.name, re.IGNORECASE)), None)


def by_head(head: bytes) -> str:
    """Return what a file is that is not compressed by bzip2, by its first 512 bytes."""
    known = (what for pattern, what in _HEADS if re.match(pattern, head, re.IGNORECASE | re.DOTALL))
    return next(known, f"not compressed by bzip2; {EXPECTED}")


def by_content(folder: Path) -> str:
    """Return what is in a folder that has no list of architectures, and what to do with it."""
    files = sorted(folder.iterdir())
    archives = [file for file in files if (file / META).is_file() or re.fullmatch(r"NATS-.*\.pbz2", file.name)]
    if archives:
        # the size space is told from the topology space by its content; here the name is enough to begin with the other
        first = min(archives, key=lambda file: ("sss" in file.name, by_name(file) is not None))
        return f"found {listed(file.name for file in archives)} in it; expected benchmark.path={first}"
    for file in files:
        if file.name == "meta.pickle":
            return f"found {file.name} in it, {_UNPACKED}"
        if what := by_name(file):
            return f"found {file.name} in it: {what}"
    return f"found no {META} in it; {EXPECTED}"
