"""Which device a process computes on."""

import contextlib
import fcntl
import functools
import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_exp.errors import InputError, in_one_line

AUTO = "cuda:auto"
KINDS = ("cpu", "cuda", "mps", "xpu")
"""The kinds of devices that torch computes on without a package of their own."""

_held: list[int] = []
"""Descriptors of locked files: the locks last as long as this process."""


@functools.lru_cache(maxsize=1)
def resolve(device: str) -> str:
    """Return the device that `device` means to this process: itself, or of ``cuda:auto`` the least taken GPU.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    kind, _, number = device.partition(":")
    count = _count(kind)
    if not count:
        expected = " or ".join(other for other in KINDS if _count(other))
        raise InputError(f"device={device}: torch finds no {kind.upper()} device here; expected {expected}")
    if device == AUTO:
        names = [str(torch.cuda.get_device_properties(place).uuid) for place in range(count)]
        return f"cuda:{take(names)}"
    if number and int(number) >= count:
        found = f"{count} {kind.upper()} device{'s' if count > 1 else ''}"
        expected = f"{kind}:0 to {kind}:{count - 1}" if count > 1 else kind
        raise InputError(f"device={device}: torch finds {found} here; expected {expected}")
    return device


def _count(kind: str) -> int:
    """Return how many devices of a kind torch can use."""
    import torch

    module = getattr(torch, kind)
    # torch.mps has not always had it
    is_available = getattr(module, "is_available", torch.backends.mps.is_available)
    return int(module.device_count()) if is_available() else 0


@contextlib.contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Say in one line what torch cannot compute on a device: Apple's have no float64, and none has every operation.

    A CPU and CUDA have all that metrics need, so there an error is no input's.

    Raises:
        InputError: torch has refused something of the block, and named the device.
    """
    try:
        yield
    except (TypeError, RuntimeError) as error:
        kind, told = device.partition(":")[0], in_one_line(error)
        if kind in ("cpu", "cuda") or not (kind.upper() in told or "fp64" in told):
            raise
        raise InputError(f"device={device}: torch cannot compute this there ({told}); expected cpu") from None


def computing_seconds(device: str) -> float:
    """Return the seconds that this process has computed on a device; differences say what something took.

    On a CPU they are those of the processor, so that other work on the machine does not count; on a GPU, which computes
    beside this process, those that have passed when it is done with all that it was given.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        return time.process_time()
    import torch

    if kind == "mps":  # of which a machine has one
        torch.mps.synchronize()
    else:
        getattr(torch, kind).synchronize(device)
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
                continue
            except OSError:  # of a file system without locks; nobody knows what others have taken
                pass
            _held.append(descriptor)
            return place
    raise AssertionError("seats do not end")
