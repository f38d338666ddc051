"""A limit on the memory that reading an untrusted file may take."""

import contextlib
import os
import threading
from collections.abc import Iterator

_FOR_ANY_FILE = 2**29
_FOR_A_BYTE = 100  # compression makes a file ten times smaller, Python objects make its content ten times larger
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def limited_by(file_size: int) -> Iterator[None]:
    """Limit the memory that a block may allocate to half a gigabyte and 100 bytes for each byte of a file.

    An allocation beyond that raises `MemoryError`. The limit is on the address space of the whole process. It exists on
    Linux only; elsewhere the block runs without.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        yield
        return
    import resource

    with _ONE_AT_A_TIME:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limits = [taken + _FOR_ANY_FILE + _FOR_A_BYTE * file_size, *(each for each in (soft, hard) if each >= 0)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
