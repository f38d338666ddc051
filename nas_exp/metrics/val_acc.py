"""Validation accuracy after 12 epochs of training: what the training-free metrics compete with."""

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import Benchmark
from nas_exp.errors import InputError


def val_acc(benchmark: Benchmark) -> tuple[FloatArray, FloatArray]:
    """Return the 12-epoch validation accuracies of the space and what they cost.

    Returns:
        accuracies in percent and seconds (training plus validation, as far as the benchmark has them), each of shape
        (15625,), NaN where the benchmark has none.

    Raises:
        InputError: the benchmark has no 12-epoch accuracy at all.
    """
    if not np.isfinite(benchmark.val_acc_12).any():
        raise InputError(
            f"metric=val_acc: benchmark={benchmark.name} has no 12-epoch accuracies; "
            "expected benchmark=nats or benchmark=table, with benchmark.path"
        )
    return benchmark.val_acc_12, benchmark.train_seconds_12 + np.nan_to_num(benchmark.val_seconds_12)
