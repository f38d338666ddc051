"""Worker processes that end with the process that has started them, however that ends."""

import multiprocessing
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from nas_exp.errors import InputError, shown

if TYPE_CHECKING:
    from joblib import Parallel
    from joblib.parallel import LokyBackend

_SECONDS_BETWEEN_LOOKS = 1.0
_NUMBERS = ("LOKY_MAX_CPU_COUNT", "LOKY_MAX_DEPTH", "JOBLIB_MULTIPROCESSING")


def check_environment() -> None:
    """Check the variables of the environment that joblib reads, of which it would complain in the middle of work.

    Raises:
        InputError: one is not what it may be.
    """
    for name in _NUMBERS:
        if not (value := os.environ.get(name, "1")).strip().isdecimal():
            raise InputError(f"{name}={shown(value)}: found this in the environment; expected a whole number")
    methods = ["", *multiprocessing.get_all_start_methods()]
    if (method := os.environ.get("JOBLIB_START_METHOD", "").strip()) not in methods:
        raise InputError(f"JOBLIB_START_METHOD={shown(method)}: found this in the environment; expected nothing")


def look_elsewhere() -> None:
    """Let interpreters that joblib starts find no library in the current folder, as a random.py or a numpy.py."""
    os.environ["PYTHONSAFEPATH"] = "1"


def parallel(n_jobs: int, **options: Any) -> "Parallel":
    """Return joblib's `Parallel` with processes of its own, also inside of a worker, where joblib would take threads.

    Args:
        n_jobs: processes; with 1, this one does the work; -1 means one a core.
        options: those of `joblib.Parallel`.
    """
    import joblib

    return joblib.Parallel(n_jobs=n_jobs, backend=_backend(), **options)


def end_workers_with_us() -> None:
    """Have all workers that joblib starts from here on, as for Hydra's launcher, end with this process."""
    import joblib

    def backend(**options: Any) -> "LokyBackend":
        look_elsewhere()  # now, as other launchers do find what they run in the current folder
        return _backend(**options)

    joblib.register_parallel_backend("loky", backend)  # type: ignore[arg-type]  # it may be any function


def _backend(**options: Any) -> "LokyBackend":
    from joblib.parallel import LokyBackend

    return LokyBackend(initializer=_end_with_parent, **options)


def _end_with_parent() -> None:
    """End this worker within a second or two of its parent, which may have been killed and cannot say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.pid,), daemon=True).start()


def _watch(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)
