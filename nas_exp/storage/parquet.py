"""Columns in and out of Parquet files that say by themselves whether they are still what was written.

Parquet has no checksums of its own, so a digest of every column goes into the file's metadata. pyarrow's conversions
from and to NumPy import pandas, which takes longer than a search; these do not.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError, in_one_line
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

_DIGESTS = b"nas_exp.sha256"


def write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one-dimensional numeric arrays of equal length as the columns of a file, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa

    arrays = {
        name: pa.Array.from_buffers(
            pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
        )
        for name, values in columns.items()
    }
    write_table(path, pa.table(arrays))


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a table of numbers and strings with a digest of each column, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    from pyarrow import parquet

    digests = {name: _digest(table[name]) for name in table.column_names}
    with replacing(path) as temporary:
        parquet.write_table(
            table.replace_schema_metadata({_DIGESTS: json.dumps(digests)}), temporary, compression="zstd"
        )


def read_columns(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read numeric columns without gaps, each as an array of shape (rows,).

    Raises:
        OSError: it cannot be read, as when there is no such file.
        InputError: it is not a Parquet file, lacks one of the columns or some of their values, or has changed since it
            was written.
    """
    table = _read(path, names, others=False)
    columns = {}
    for name in names:
        values = _numbers(table[name])
        if values is None:
            raise InputError(f"{path}: found gaps or no numbers in the column {name}")
        columns[name] = values
    return columns


def read_table(path: Path, names: Sequence[str]) -> "pa.Table":
    """Read a file that `write_table` has written.

    Args:
        path: the file.
        names: columns that must be there, among others.

    Raises:
        OSError: it cannot be read, as when there is no such file.
        InputError: it is not such a file, lacks one of the columns, or has changed since it was written.
    """
    table = _read(path, names, others=True)
    if _DIGESTS not in (table.schema.metadata or {}):
        raise InputError(f"{path}: does not say what was written")
    return table


def _read(path: Path, names: Sequence[str], *, others: bool) -> "pa.Table":
    """Read columns, all of them with `others`, and compare them with the digests that are there."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=None if others else list(names), use_threads=False)
        found = {name: _digest(table[name]) for name in table.column_names}
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system; pyarrow leaves out the name
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
        raise InputError(f"{path}: not a readable Parquet file ({in_one_line(error)})") from None
    for name in names:
        if name not in found:
            raise InputError(f"{path}: found no column {name}; expected {', '.join(names)}")
    if (written := (table.schema.metadata or {}).get(_DIGESTS)) is not None:
        changed = [name for name, digest in found.items() if f'"{name}": "{digest}"' not in written.decode("latin1")]
        if changed:
            raise InputError(f"{path}: the column {changed[0]} is not what was written")
    return table


def _numbers(column: "pa.ChunkedArray") -> npt.NDArray[Any] | None:
    """Return the values of a numeric column without gaps; None if it is not one."""
    import pyarrow as pa

    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return None
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1], dtype=array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def _digest(column: "pa.ChunkedArray") -> str:
    values = _numbers(column)
    content = json.dumps(column.to_pylist(), default=repr).encode() if values is None else values.tobytes()
    return hashlib.sha256(f"{column.type}\n".encode() + content).hexdigest()[:16]
