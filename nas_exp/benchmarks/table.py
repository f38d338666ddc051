"""Accuracies and costs from tables: one CSV or Parquet file for each dataset."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_exp.arrays import FloatArray, IntArray
from nas_exp.benchmarks import DATASETS, Benchmark, file_columns, from_rows
from nas_exp.benchmarks.table_rows import Batch, of_table, read_rows
from nas_exp.errors import InputError, listed
from nas_exp.spaces.space import WHOLE, Space

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_NAME = r"(?:.*[-_])?{}\.(?:csv|csv\.gz|parquet)"
_MOST_SECONDS = 1e9
"""30 years: sums of as much stay numbers that files and axes can hold."""
_UNTRAINED = 0.8
"""Percent: an untrained network has 0.83 on 120 classes, and the best networks less as a share of 1."""


def load(dataset: str, *, space: Space, path: Path | None, store: Path) -> Benchmark:
    """Load the table of one dataset.

    The columns `arch_str` and that of `val_acc` (see `file_columns`) are required; others are read where they exist.

    Args:
        dataset: the dataset.
        space: the search space.
        path: a folder with a file for each dataset, such as `cifar10.parquet` or `nb201_cifar10.csv.gz`, or one file.
        store: not used.

    Raises:
        InputError: there is no such file, or it does not hold what it should.
    """
    if path is None:
        raise InputError("benchmark.path: found none; benchmark=table expects a folder with a CSV or Parquet file")
    return read(find(path.expanduser(), dataset), dataset, space, name="table")


def find(path: Path, dataset: str) -> Path:
    """Return the file of a dataset: `path` itself, or the one file of that folder that is named after the dataset.

    Raises:
        InputError: there is none, there are several, or `path` is a file named after another dataset.
    """
    if path.exists() and not path.is_dir():
        others = [other for other in DATASETS if other != dataset and _is_named_after(path, other)]
        if others:
            raise InputError(f"benchmark.path: {path} is named after the dataset {others[0]}, expected {dataset}")
        return path
    if not path.is_dir():
        raise InputError(f"benchmark.path: {path} does not exist; expected a folder, or a CSV or Parquet file")
    expected = f"expected one file named {dataset} or ending in _{dataset}, with .csv, .csv.gz or .parquet"
    try:
        found = sorted(file for file in path.iterdir() if _is_named_after(file, dataset) and not file.is_dir())
    except OSError as error:
        raise InputError(f"benchmark.path: {path}: {error.strerror or error}; {expected}") from None
    if len(found) != 1:
        names = listed(file.name for file in found)
        raise InputError(f"benchmark.path: the folder {path}: found {names}; {expected}")
    return found[0]


def read(file: Path, dataset: str, space: Space, *, name: str) -> Benchmark:
    """Read one table.

    Args:
        file: a CSV file, which may be gzipped, or a Parquet file.
        dataset: the dataset.
        space: the search space.
        name: the kind of benchmark that the result belongs to.

    Raises:
        InputError: the file is unreadable, lacks a column, has more rows than the space, or holds impossible values.
    """
    choose = functools.partial(_wanted, file=file, space=space)
    return _from_batches(read_rows(file, choose, _most_rows(space)), file, dataset, space, name)


def from_table(table: "pa.Table", file: Path, dataset: str, space: Space, *, name: str) -> Benchmark:
    """Return what a table says, which was read from a file; see `read`.

    Raises:
        InputError: it lacks a column, or holds impossible values.
    """
    columns = _wanted(table.column_names, file=file, space=space)
    return _from_batches([of_table(table, columns, file)], file, dataset, space, name)


def arch_indices(arch_strs: Sequence[str], space: Space, source: str) -> IntArray:
    """Return the `arch_index` of each `arch_str`: shape (len(arch_strs),).

    Args:
        arch_strs: any part of the space, in any order.
        space: the search space.
        source: where they come from, for the error message.

    Raises:
        InputError: there are none, one is not of this space, or one is there twice.
    """
    return _distinct(_parsed(arch_strs, space, source), space, source)


def _parsed(arch_strs: Sequence[str], space: Space, source: str, before: int = 0) -> IntArray:
    """Parse the architectures of some rows, which `before` others precede."""
    indices = space.parse_all(arch_strs)
    if (unknown := np.flatnonzero(indices < 0)).size:
        try:
            space.parse(str(arch_strs[unknown[0]]))
        except InputError as error:
            raise InputError(f"{source}: row {before + unknown[0] + 1}: {error}") from None
    return indices


def _distinct(indices: IntArray, space: Space, source: str) -> IntArray:
    if not len(indices):
        raise InputError(f"{source}: found no architecture; expected at least one")
    found, counts = np.unique(indices, return_counts=True)
    if counts.max() > 1:
        twice = space.spell(int(found[counts.argmax()]))
        raise InputError(f"{source}: found the architecture {twice} {counts.max()} times; expected it once")
    return indices


def _from_batches(batches: Iterable[Batch], file: Path, dataset: str, space: Space, name: str) -> Benchmark:
    most, rows = _most_rows(space), 0
    indices, parts = [np.empty(0, np.int64)], dict[str, list[FloatArray]]()
    for batch in batches:
        arch_strs = batch["arch_str"]
        if rows + len(arch_strs) > most:
            raise InputError(f"{file}: has more than {most:,} rows; expected one for each architecture at most")
        indices.append(_parsed(arch_strs, space, str(file), rows))
        for meaning, column in file_columns(space.schedules).items():
            if column in batch:
                values = np.array(batch[column], dtype=np.float64)
                _check_range(values, column, file, rows, is_percent=meaning.endswith("_acc"))
                parts.setdefault(meaning, []).append(values)
        rows += len(arch_strs)
    arch_index = _distinct(np.concatenate(indices), space, str(file))
    columns = {meaning: np.concatenate(values) for meaning, values in parts.items()}
    for meaning, column in file_columns(space.schedules).items():
        if meaning in columns and meaning.endswith("_acc"):
            _refuse_shares(columns[meaning], column, file)
    return from_rows(name, dataset, space, arch_index, columns)


def _most_rows(space: Space) -> int:
    return min(len(space), WHOLE)


def _wanted(headings: Sequence[str], *, file: Path, space: Space) -> Mapping[str, int]:
    """Return the places of `arch_str` and of the columns that a benchmark knows among the headings of a file.

    Raises:
        InputError: one that is required is missing, or one is there twice.
    """
    known, found = file_columns(space.schedules), [heading.strip().casefold() for heading in headings]
    required = ["arch_str", known["val_acc"]]
    optional = [column for column in known.values() if column not in required]
    expected = f"{', '.join(required)} and, optionally, {', '.join(optional)}"
    for column in required:
        if column not in found:
            raise InputError(f"{file}: found no column {column} among {listed(headings)}; expected {expected}")
    wanted = [column for column in (*required, *optional) if column in found]
    for column in wanted:
        if found.count(column) > 1:
            raise InputError(f"{file}: found the column {column} more than once; expected {expected}")
    return {column: found.index(column) for column in wanted}


def _is_named_after(file: Path, dataset: str) -> bool:
    pattern = _FILE_NAME.format(re.escape(dataset))
    return not file.name.startswith(".") and re.fullmatch(pattern, file.name, re.IGNORECASE) is not None


def _check_range(values: FloatArray, column: str, file: Path, before: int, *, is_percent: bool) -> None:
    highest, unit = (100.0, "percent") if is_percent else (_MOST_SECONDS, "seconds")
    if (wrong := np.flatnonzero((values < 0) | (values > highest))).size:
        limits = "a number from 0 to 100" if is_percent else f"a finite number from 0 to {highest:g}"
        row, value = before + wrong[0] + 1, values[wrong[0]]
        raise InputError(f"{file}: row {row}: found {column} = {value}; expected {limits} ({unit}), or none")


def _refuse_shares(values: FloatArray, column: str, file: Path) -> None:
    """Refuse accuracies as shares of 1; those of untrained networks may be as low, but are then all the same."""
    shares = np.unique(values[(values > 0) & (values < 1)])
    if shares.size and not (values > 1).any() and (shares.size > 1 or shares[0] < _UNTRAINED):
        told = f"all {column} are from {np.nanmin(values):g} to {np.nanmax(values):g}, as shares of 1"
        raise InputError(f"{file}: {told}; expected percent: multiply the column by 100")
