"""Validation accuracy after a short training: what the training-free metrics compete with."""

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import Benchmark
from nas_exp.errors import InputError


def val_acc(benchmark: Benchmark) -> tuple[FloatArray, FloatArray]:
    """Return the validation accuracies after the short schedule and what they cost.

    Returns:
        accuracies in percent and seconds (training plus validation, as far as the benchmark has them), each of the
        shape of `benchmark.arch_index`, NaN where the benchmark has none.

    Raises:
        InputError: the benchmark has no accuracy after the short schedule at all.
    """
    if not benchmark.knows("short_val_acc"):
        which = "accuracies of short trainings"
        if benchmark.schedules is not None:
            which = f"{benchmark.schedules.short}-epoch accuracies"
        raise InputError(
            f"metric=val_acc: benchmark={benchmark.name} has no {which}; "
            "expected benchmark=nats or benchmark=table, with benchmark.path"
        )
    columns = benchmark.columns
    return columns["short_val_acc"], columns["short_seconds"] + np.nan_to_num(columns["short_val_seconds"])
