"""Accuracies and costs from tables: one CSV or Parquet file for each dataset."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_exp.arrays import FloatArray, IntArray
from nas_exp.benchmarks import DATASETS, Benchmark, file_columns, from_rows
from nas_exp.errors import InputError, in_one_line
from nas_exp.spaces.space import Space

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_NAME = r"(?:.*[-_])?{}\.(?:csv|csv\.gz|parquet)"


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
    if path.is_file():
        others = [other for other in DATASETS if other != dataset and _is_named_after(path, other)]
        if others:
            raise InputError(f"benchmark.path: {path} is named after the dataset {others[0]}, expected {dataset}")
        return path
    if not path.is_dir():
        raise InputError(f"benchmark.path: {path} does not exist; expected a folder, or a CSV or Parquet file")
    expected = f"expected one file named {dataset} or ending in _{dataset}, with .csv, .csv.gz or .parquet"
    try:
        found = sorted(file for file in path.iterdir() if _is_named_after(file, dataset) and file.is_file())
    except OSError as error:
        raise InputError(f"benchmark.path: {path}: {error.strerror or error}; {expected}") from None
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
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
        InputError: the file is unreadable, lacks a column, or holds impossible values.
    """
    return from_table(read_arrow(file, space), file, dataset, space, name=name)


def from_table(table: "pa.Table", file: Path, dataset: str, space: Space, *, name: str) -> Benchmark:
    """Return what a table says, which was read from a file; `read` does both.

    Raises:
        InputError: it lacks a column, or holds impossible values.
    """
    known, found = file_columns(space.schedules), table.column_names
    required = ["arch_str", known["val_acc"]]
    optional = ", ".join(column for column in known.values() if column not in required)
    expected = f"{', '.join(required)} and, optionally, {optional}"
    for column in required:
        if column not in found:
            raise InputError(f"{file}: found no column {column} among {', '.join(found)}; expected {expected}")
    repeated = sorted({column for column in found if found.count(column) > 1} & {*required, *known.values()})
    if repeated:
        raise InputError(f"{file}: found the column {repeated[0]} more than once; expected {expected}")
    arch_index = arch_indices(_strings(table, "arch_str", file), space, str(file))
    columns = {
        meaning: _numbers(table, column, file, is_percent=meaning.endswith("_acc"))
        for meaning, column in known.items()
        if column in found
    }
    return from_rows(name, dataset, space, arch_index, columns)


def arch_indices(arch_strs: Sequence[str], space: Space, source: str) -> IntArray:
    """Return the `arch_index` of each `arch_str`: shape (len(arch_strs),).

    Args:
        arch_strs: any part of the space, in any order.
        space: the search space.
        source: where they come from, for the error message.

    Raises:
        InputError: there are none, one is not of this space, or one is there twice.
    """
    if not arch_strs:
        raise InputError(f"{source}: found no architecture; expected at least one")
    indices = space.parse_all(arch_strs)
    if (unknown := np.flatnonzero(indices < 0)).size:
        try:
            space.parse(str(arch_strs[unknown[0]]))
        except InputError as error:
            raise InputError(f"{source}: row {unknown[0] + 1}: {error}") from None
    _, first, counts = np.unique(indices, return_index=True, return_counts=True)
    if counts.max() > 1:
        twice = arch_strs[int(first[counts.argmax()])]
        raise InputError(f"{source}: found the architecture {twice} {counts.max()} times; expected it once")
    return indices


def read_arrow(file: Path, space: Space) -> "pa.Table":
    """Read a CSV, gzipped CSV or Parquet file whole.

    Raises:
        InputError: it cannot be read, or is not what its suffix says.
    """
    import pyarrow as pa

    try:
        if file.name.lower().endswith(".parquet"):
            from pyarrow.parquet import ParquetFile

            with ParquetFile(file) as parquet:
                return parquet.read(use_threads=False)
        if file.name.lower().endswith((".csv", ".csv.gz")):
            from pyarrow import csv

            compression = "gzip" if file.name.lower().endswith(".gz") else None
            # every column that counts is converted where it is read, so that messages can name column and value
            types = {"arch_str": pa.string(), **dict.fromkeys(file_columns(space.schedules).values(), pa.float64())}
            with pa.input_stream(str(file), compression=compression) as stream:
                return csv.read_csv(stream, convert_options=csv.ConvertOptions(column_types=types))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable ({in_one_line(error)}); expected a CSV or Parquet table") from None
    raise InputError(f"{file}: expected a file that ends in .csv, .csv.gz or .parquet")


def _is_named_after(file: Path, dataset: str) -> bool:
    pattern = _FILE_NAME.format(re.escape(dataset))
    return not file.name.startswith(".") and re.fullmatch(pattern, file.name, re.IGNORECASE) is not None


def _strings(table: "pa.Table", column: str, file: Path) -> list[str]:
    try:
        values = table.column(column).to_pylist()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: found damaged text in the column {column} ({in_one_line(error)})") from None
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{file}: found values that are not strings in the column {column}")
    return values


def _numbers(table: "pa.Table", column: str, file: Path, *, is_percent: bool) -> FloatArray:
    import pyarrow as pa

    try:
        # not to_numpy: pyarrow imports pandas there
        values = np.array(table.column(column).cast(pa.float64()).to_pylist(), dtype=np.float64)
    except pa.ArrowException as error:
        raise InputError(f"{file}: found no numbers in the column {column} ({in_one_line(error)})") from None
    highest, unit = (100.0, "percent") if is_percent else (np.finfo(np.float64).max, "seconds")
    if (wrong := np.flatnonzero((values < 0) | (values > highest))).size:
        limits = "a number from 0 to 100" if is_percent else "a finite number from 0"
        raise InputError(
            f"{file}: row {wrong[0] + 1}: found {column} = {values[wrong[0]]}; expected {limits} ({unit}), or none"
        )
    return values
