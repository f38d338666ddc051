"""Where trained accuracies and training costs come from: one module for each kind of benchmark.

A benchmark module has `load(dataset, *, path, store) -> Benchmark`. Loading is on the way of every search, so it
imports neither torch nor pandas nor scipy.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nas_exp.arrays import FloatArray
from nas_exp.spaces.topology import TopologySpace

DATASETS = ("cifar10", "cifar100", "imagenet16-120")
"""The datasets of NATS-Bench, as config keys spell them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Benchmark:
    """What training every architecture of the space on one dataset gave and cost.

    Every array has shape (15625,), is indexed by `arch_index`, is read-only, and is NaN where the benchmark does not
    know the value. Accuracies are percent, means over the trained seeds.

    Attributes:
        name: the kind of benchmark.
        dataset: the dataset, one of `DATASETS`. On cifar10 the networks were trained on half of the training set.
        val_acc_12: validation accuracy after the 12-epoch schedule, percent.
        val_acc_200: validation accuracy after the 200-epoch schedule, percent.
        test_acc_200: test accuracy after the 200-epoch schedule, percent.
        train_seconds_12: training time of the 12-epoch schedule, without validation, seconds.
        val_seconds_12: time of the one validation that follows it, seconds.
        latency_s: time of one forward pass as the benchmark measured it, seconds.
    """

    name: str
    dataset: str
    val_acc_12: FloatArray
    val_acc_200: FloatArray
    test_acc_200: FloatArray
    train_seconds_12: FloatArray
    val_seconds_12: FloatArray
    latency_s: FloatArray = dataclasses.field(default_factory=lambda: np.full(len(TopologySpace()), np.nan))


COLUMNS = tuple(field.name for field in dataclasses.fields(Benchmark) if field.name not in ("name", "dataset"))
"""The names of the arrays of a `Benchmark`, and of the columns of the tables that hold them."""


def from_rows(
    name: str, dataset: str, arch_index: npt.NDArray[np.int64], columns: Mapping[str, FloatArray]
) -> Benchmark:
    """Build a `Benchmark` from rows in any order; architectures and columns that are not given become NaN.

    Args:
        name: the kind of benchmark.
        dataset: one of `DATASETS`.
        arch_index: which architecture each row is about: shape (rows,), no repetitions.
        columns: values of the rows, by names out of `COLUMNS`: each of shape (rows,).
    """
    arrays = {}
    for column in COLUMNS:
        values = np.full(len(TopologySpace()), np.nan)
        if column in columns:
            values[arch_index] = columns[column]
        values.flags.writeable = False
        arrays[column] = values
    return Benchmark(name=name, dataset=dataset, **arrays)
