"""Where trained accuracies and training costs come from: one module for each kind of benchmark.

A benchmark module has `load(dataset, *, space, path, store) -> Benchmark`. Every search loads one, so it imports
neither torch nor pandas nor scipy.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas_exp.arrays import FloatArray, IntArray, positions
from nas_exp.spaces.space import Schedules, Space

DATASETS = ("cifar10", "cifar100", "imagenet16-120")
"""The datasets of NATS-Bench, as config keys spell them."""

COLUMNS = {
    "short_val_acc": "val_acc_{short}",
    "val_acc": "val_acc_{full}",
    "test_acc": "test_acc_{full}",
    "short_seconds": "train_seconds_{short}",
    "short_val_seconds": "val_seconds_{short}",
    "latency": "latency_s",
}
"""What a benchmark can know of an architecture, and the name of that column in files, by epochs of the schedules.

* `short_val_acc`: validation accuracy after the short schedule, percent.
* `val_acc`, `test_acc`: validation and test accuracy after the full schedule, percent.
* `short_seconds`: training time of the short schedule, without validation, seconds.
* `short_val_seconds`: time of the one validation that follows it, seconds.
* `latency`: time of one forward pass, seconds.
"""


def file_columns(schedules: Schedules | None) -> dict[str, str]:
    """Return the names of the columns in files, by meaning; of a space without schedules both are the same."""
    if schedules is None:
        return {meaning: meaning for meaning in COLUMNS}
    return {meaning: name.format(short=schedules.short, full=schedules.full) for meaning, name in COLUMNS.items()}


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What training the architectures of a space on one dataset gave and cost.

    Accuracies are means over the trained seeds. On cifar10 the networks were trained on half of the training set.
    """

    name: str
    """The kind of benchmark."""
    dataset: str
    arch_index: IntArray
    """The architectures that it knows: shape (n,), ascending."""
    columns: Mapping[str, FloatArray]
    """By the meanings of `COLUMNS`, each of shape (n,), read-only, NaN where a value is not known."""
    schedules: Schedules | None
    """How many epochs its short and its full training have, if it has two."""

    def of(self, column: str, arch_index: npt.ArrayLike) -> FloatArray:
        """Return the values of architectures, in the shape of `arch_index`; NaN where they are not known."""
        place = positions(self.arch_index, arch_index)
        return np.where(place >= 0, self.columns[column][place], np.nan)

    def knows(self, column: str) -> bool:
        """Return whether any value of a column is known."""
        return bool(np.isfinite(self.columns[column]).any())

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that identify what is known, whatever the file it was read from."""
        known = {name: np.where(np.isnan(it), np.nan, it) for name, it in self.columns.items() if self.knows(name)}
        content = [self.arch_index.tobytes(), *(name.encode() + known[name].tobytes() for name in sorted(known))]
        return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def from_rows(
    name: str, dataset: str, space: Space, arch_index: IntArray, columns: Mapping[str, FloatArray]
) -> Benchmark:
    """Build a `Benchmark` from rows in any order; columns that are not given are not known.

    Args:
        name: the kind of benchmark.
        dataset: the dataset.
        space: the search space.
        arch_index: which architecture each row is about: shape (rows,), at least one, no repetitions.
        columns: values of the rows, by the meanings of `COLUMNS`: each of shape (rows,).
    """
    order = np.argsort(arch_index)
    unknown = np.full(len(order), np.nan)
    arrays = {column: np.asarray(columns.get(column, unknown), dtype=np.float64)[order] for column in COLUMNS}
    for values in arrays.values():
        values.flags.writeable = False
    return Benchmark(name, dataset, np.asarray(arch_index, dtype=np.int64)[order], arrays, space.schedules)
