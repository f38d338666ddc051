"""Matplotlib without the user's settings. Every search imports this module, so it imports nothing large."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def own_settings(style: Any = None) -> Iterator[None]:
    """Draw during the block with matplotlib's own settings and a style, whatever settings the user has."""
    import_matplotlib()
    import matplotlib as mpl

    settings: Any = {
        key: usual
        for key, usual in mpl.rcParamsDefault.items()
        if key != "backend" and mpl.rcParams[key] != usual  # which no figure here uses
    }
    with mpl.rc_context({**settings, **(style or {})}):
        yield


def import_matplotlib() -> None:
    """Import matplotlib, which then reads the backend's name and a settings file, without those that a user has.

    What it cannot read there would end the job. It looks for the file in the current folder first.
    """
    if "matplotlib" in sys.modules:
        return
    backend, exists = os.environ.pop("MPLBACKEND", None), os.path.exists

    def is_not_a_users(path: Any) -> bool:
        return exists(path) and (Path(path).name != "matplotlibrc" or Path(path).parent.name == "mpl-data")

    os.path.exists = is_not_a_users
    try:
        import matplotlib as mpl  # noqa: F401
    finally:
        os.path.exists = exists
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
