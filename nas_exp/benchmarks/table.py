"""Accuracies and costs from tables: one CSV or Parquet file for each dataset."""

import functools
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas_exp.benchmarks import COLUMNS, DATASETS, Benchmark, FloatArray, from_rows
from nas_exp.errors import InputError, in_one_line
from nas_exp.spaces.topology import OPERATIONS, index_of_str

if TYPE_CHECKING:
    import pyarrow as pa

_REQUIRED = ("arch_str", "val_acc_200")
_FILE_NAME = r"(?:.*[-_])?{}\.(?:csv|csv\.gz|parquet)"


def load(dataset: str, *, path: Path | None, store: Path) -> Benchmark:
    """Load the table of one dataset.

    The columns `arch_str` and `val_acc_200` are required; the other columns of `Benchmark` are read where they exist.

    Args:
        dataset: one of `nas_exp.benchmarks.DATASETS`.
        path: a folder with a file for each dataset, such as `cifar10.parquet` or `nb201_cifar10.csv.gz`, or one file.
        store: not used.

    Raises:
        InputError: there is no such file, or it does not hold what it should.
    """
    if path is None:
        raise InputError("benchmark.path: found none; benchmark=table expects a folder with a CSV or Parquet file")
    return read(find(path.expanduser(), dataset), dataset, name="table")


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


def read(file: Path, dataset: str, *, name: str) -> Benchmark:
    """Read one table; architectures that it lacks are NaN.

    Args:
        file: a CSV file, which may be gzipped, or a Parquet file.
        dataset: one of `nas_exp.benchmarks.DATASETS`.
        name: the kind of benchmark that the result belongs to.

    Raises:
        InputError: the file is unreadable, lacks a column, or holds impossible values.
    """
    return from_table(read_arrow(file), file, dataset, name=name)


def from_table(table: "pa.Table", file: Path, dataset: str, *, name: str) -> Benchmark:
    """Return what a table says, which was read from a file; `read` does both.

    Raises:
        InputError: it lacks a column, or holds impossible values.
    """
    found = table.column_names
    for column in _REQUIRED:
        if column not in found:
            raise InputError(f"{file}: found no column {column} among {', '.join(found)}; expected {_expected()}")
    repeated = sorted({column for column in found if found.count(column) > 1} & {*_REQUIRED, *COLUMNS})
    if repeated:
        raise InputError(f"{file}: found the column {repeated[0]} more than once; expected {_expected()}")
    arch_index = arch_indices(_strings(table, "arch_str", file), str(file))
    columns = {column: _numbers(table, column, file) for column in COLUMNS if column in found}
    return from_rows(name, dataset, arch_index, columns)


def arch_indices(arch_strs: Sequence[str], source: str) -> npt.NDArray[np.int64]:
    """Return the `arch_index` of each `arch_str`: shape (len(arch_strs),).

    Args:
        arch_strs: any part of the space, in any order.
        source: where they come from, for the error message.

    Raises:
        InputError: there are none, one is not of this space, or one is there twice.
    """
    if not arch_strs:
        raise InputError(f"{source}: found no architecture; expected at least one")
    known = _indices()
    indices = np.array([known.get(arch_str, -1) for arch_str in arch_strs], dtype=np.int64)
    if (unknown := np.flatnonzero(indices < 0)).size:
        try:
            index_of_str(str(arch_strs[unknown[0]]))
        except InputError as error:
            raise InputError(f"{source}: row {unknown[0] + 1}: {error}") from None
    if (counts := np.bincount(indices)).max() > 1:
        twice = arch_strs[int(np.flatnonzero(indices == counts.argmax())[0])]
        raise InputError(f"{source}: found the architecture {twice} {counts.max()} times; expected it once")
    return indices


def read_arrow(file: Path) -> "pa.Table":
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
            types = {"arch_str": pa.string(), **dict.fromkeys(COLUMNS, pa.float64())}
            with pa.input_stream(str(file), compression=compression) as stream:
                return csv.read_csv(stream, convert_options=csv.ConvertOptions(column_types=types))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable ({in_one_line(error)}); expected a CSV or Parquet table") from None
    raise InputError(f"{file}: expected a file that ends in .csv, .csv.gz or .parquet")


def _is_named_after(file: Path, dataset: str) -> bool:
    pattern = _FILE_NAME.format(re.escape(dataset))
    return not file.name.startswith(".") and re.fullmatch(pattern, file.name, re.IGNORECASE) is not None


def _expected() -> str:
    optional = ", ".join(column for column in COLUMNS if column not in _REQUIRED)
    return f"{', '.join(_REQUIRED)} and, optionally, {optional}"


def _strings(table: "pa.Table", column: str, file: Path) -> list[str]:
    try:
        values = table.column(column).to_pylist()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: found damaged text in the column {column} ({in_one_line(error)})") from None
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{file}: found values that are not strings in the column {column}")
    return values


def _numbers(table: "pa.Table", column: str, file: Path) -> FloatArray:
    import pyarrow as pa

    try:
        # not to_numpy: pyarrow imports pandas there
        values = np.array(table.column(column).cast(pa.float64()).to_pylist(), dtype=np.float64)
    except pa.ArrowException as error:
        raise InputError(f"{file}: found no numbers in the column {column} ({in_one_line(error)})") from None
    highest, unit = (100.0, "percent") if "_acc_" in column else (np.finfo(np.float64).max, "seconds")
    if (wrong := np.flatnonzero((values < 0) | (values > highest))).size:
        limits = "a number from 0 to 100" if unit == "percent" else "a finite number from 0"
        raise InputError(
            f"{file}: row {wrong[0] + 1}: found {column} = {values[wrong[0]]}; expected {limits} ({unit}), or none"
        )
    return values


@functools.cache
def _indices() -> dict[str, int]:
    # `str_of_index` for every architecture takes ten times as long, and every search waits for this
    template = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return {template.format(*names): index for index, names in enumerate(itertools.product(OPERATIONS, repeat=6))}
