"""Which device a process computes on."""

import fcntl
import functools
import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from nas_exp.errors import InputError

AUTO = "cuda:auto"

_held: list[int] = []
"""Descriptors of locked files: the locks last as long as this process."""


@functools.lru_cache(maxsize=1)
def resolve(device: str) -> str:
    """Return the device that `device` means to this process: itself, or of ``cuda:auto`` the least taken GPU.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if not device.startswith("cuda"):
        return device
    if not torch.cuda.is_available():
        raise InputError(f"device={device}: torch finds no CUDA device here; expected cpu")
    count = torch.cuda.device_count()
    if device == AUTO:
        names = [str(torch.cuda.get_device_properties(number).uuid) for number in range(count)]
        return f"cuda:{take(names)}"
    if device != "cuda" and int(device.removeprefix("cuda:")) >= count:
        raise InputError(f"device={device}: torch finds {count} CUDA devices here; expected cuda:0 to cuda:{count - 1}")
    return device


def computing_seconds(device: str) -> float:
    """Return the seconds that this process has computed on a device; differences say what something took.

    On a CPU they are those of the processor, so that other work on the machine does not count; on a GPU, which computes
    beside this process, those that have passed when it is done with all that it was given.
    """
    if not device.startswith("cuda"):
        return time.process_time()
    import torch

    torch.cuda.synchronize(device)
    return time.perf_counter()


def take(names: Sequence[str], *, folder: Path | None = None) -> int:
    """Take one of some devices for as long as this process lives, and return its place among them.

    It is one that no more processes of this user and machine have taken than any other. Every device has seats, which
    are files to lock: a process takes the first free one, going through all first seats before any second.

    Args:
        names: what each device is called; the same to all processes, whichever of them they see.
        folder: where the seats are; by default in the machine's folder of temporary files.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"nas-exp-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for seat in itertools.count():
        for place, name in enumerate(names):
            descriptor = os.open(folder / f"{name}-{seat}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                _held.append(descriptor)
                return place
    raise AssertionError("seats do not end")
