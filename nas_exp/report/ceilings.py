"""The noise ceiling of a benchmark, computed once and kept: it depends on the trained accuracies alone."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from nas_exp.analysis import ceiling
from nas_exp.analysis.ceiling import NoiseCeiling, noise_ceiling
from nas_exp.analysis.intervals import Interval
from nas_exp.arrays import FloatArray, IntArray
from nas_exp.errors import InputError
from nas_exp.storage.parquet import read_columns, write_columns

log = logging.getLogger(__name__)

_COLUMNS = ("rho", "tau", "rho_top", "tau_top")


def cached_ceiling(
    folder: Path, accuracy: FloatArray, classes: IntArray, *, top: float, draws: int = 200, seed: int = 0
) -> NoiseCeiling:
    """Return `noise_ceiling` from the file in `folder` that has it, or compute it and write that file.

    A file is named by a digest of everything that its content depends on. A damaged one is computed again, and where
    none can be written, the ceiling is computed each time.
    """
    key = hashlib.sha256(repr((ceiling.VERSION, accuracy.shape, top, draws, seed)).encode())
    for array in (accuracy.astype(np.float64), classes.astype(np.int64)):
        key.update(array.tobytes())
    file = folder / f"ceiling-{key.hexdigest()[:16]}.parquet"
    try:
        return _read(file)
    except FileNotFoundError:
        pass
    except (InputError, OSError) as error:
        log.warning("%s; it is computed again", error)
    found = noise_ceiling(accuracy, classes, top=top, draws=draws, seed=seed)
    try:
        _write(file, found)
    except OSError as error:
        log.warning("the noise ceiling is not kept: %s", error)
    return found


def _write(file: Path, found: NoiseCeiling) -> None:
    intervals = {name: getattr(found, name) for name in _COLUMNS}
    columns = {name: np.array([each.value, each.low, each.high]) for name, each in intervals.items()}
    write_columns(file, {**columns, "classes": np.full(3, found.classes)})


def _read(file: Path) -> NoiseCeiling:
    columns = read_columns(file, (*_COLUMNS, "classes"))
    if any(len(values) != 3 for values in columns.values()):
        raise InputError(f"{file}: not a noise ceiling")
    return NoiseCeiling(
        **{name: Interval(*columns[name].tolist()) for name in _COLUMNS}, classes=int(columns["classes"][0])
    )
