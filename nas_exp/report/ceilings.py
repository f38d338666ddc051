"""The noise ceiling of a benchmark, computed once and kept: it depends on the trained accuracies alone."""

import hashlib
import logging
from pathlib import Path

import numpy as np

from nas_exp.analysis import ceiling
from nas_exp.analysis.ceiling import NoiseCeiling, noise_ceiling
from nas_exp.analysis.intervals import Interval
from nas_exp.arrays import FloatArray, IntArray
from nas_exp.storage.damage import DamagedError, read_or_set_aside
from nas_exp.storage.parquet import read_columns, write_columns

log = logging.getLogger(__name__)

_COLUMNS = ("rho", "tau", "rho_top", "tau_top")


def cached_ceiling(
    folder: Path, accuracy: FloatArray, classes: IntArray, *, top: float, draws: int = 200, seed: int = 0
) -> NoiseCeiling:
    """Return `noise_ceiling` from the file in `folder` that has it, or compute it and write that file.

    A file is named by a digest of everything that its content depends on. A damaged one is set aside and computed
    again, and where none can be written, the ceiling is computed each time.
    """
    key = hashlib.sha256(repr((ceiling.VERSION, accuracy.shape, top, draws, seed)).encode())
    for array in (accuracy.astype(np.float64), classes.astype(np.int64)):
        key.update(array.tobytes())
    file = folder / f"ceiling-{key.hexdigest()[:16]}.parquet"
    try:
        kept = read_or_set_aside(file, _read, then="it is computed again") if file.exists() else None
    except OSError as error:
        log.warning("%s; it is computed again", error)
        kept = None
    if kept is not None:
        return kept
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
        raise DamagedError(f"{file}: not a noise ceiling")
    return NoiseCeiling(
        **{name: Interval(*columns[name].tolist()) for name in _COLUMNS}, classes=int(columns["classes"][0])
    )
