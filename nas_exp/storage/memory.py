"""A limit on the memory that reading a file from the internet may take."""

import contextlib
import os
import threading
from collections.abc import Iterator

_FOR_ANY_FILE = 2**29
_FOR_A_BYTE = 100  # compressed tenfold, and tenfold again as Python's objects
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def limited_by(file_size: int) -> Iterator[None]:
    """Let the block take what a file of so many bytes can need, half a gigabyte and 100 bytes for each of its own.

    What asks for more raises `MemoryError`, at once and before the machine has suffered. The limit is that of the whole
    process, on its address space. Only Linux has it; elsewhere the block runs unlimited.
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
