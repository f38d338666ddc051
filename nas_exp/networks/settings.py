"""Settings of torch and of the C library under which scores are computed."""

import ctypes
import functools
import platform
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exact() -> Iterator[None]:
    """Have torch compute on one thread, and on a GPU in full precision and the same way every time; then as before.

    One thread a process, since processes share the architectures, and a score must not depend on the number of cores. A
    GPU would otherwise round the inputs of convolutions to 10 bits, and differ from one time to the next.
    """
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    threads, before = torch.get_num_threads(), (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic)
    torch.set_num_threads(1)
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = False, False, True
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = before


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors instead of returning it and asking for it again.

    Every layer allocates tensors of the same few sizes; fresh pages for each cost a fifth of the time. It lasts as long
    as the process, so only processes that belong to this program call it. Only glibc has this switch.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_threshold = -1, -3
        for parameter in (m_trim_threshold, m_mmap_threshold):
            libc.mallopt(parameter, 1 << 30)
