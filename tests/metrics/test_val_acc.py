import numpy as np
import pytest

from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import Benchmark, from_rows
from nas_exp.errors import InputError
from nas_exp.metrics.val_acc import val_acc
from tests.topology import SIZE, TOPOLOGY


def made_up(**columns: FloatArray) -> Benchmark:
    return from_rows("made up", "cifar10", TOPOLOGY, np.arange(SIZE), columns)


def test_it_costs_training_and_as_far_as_known_validation() -> None:
    accuracy, train = np.linspace(0, 90, SIZE), np.linspace(50, 60, SIZE)
    validation = np.where(np.arange(SIZE) % 2, 3.0, np.nan)
    score, seconds = val_acc(made_up(short_val_acc=accuracy, short_seconds=train, short_val_seconds=validation))
    np.testing.assert_array_equal(score, accuracy)
    np.testing.assert_array_equal(seconds[1::2], train[1::2] + 3)
    np.testing.assert_array_equal(seconds[::2], train[::2])


def test_a_benchmark_without_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"^metric=val_acc: benchmark=made up has no 12-epoch accuracies"):
        val_acc(made_up())
