"""Parquet files that say whether they are still what was written.

pyarrow checks no checksums, so a digest of every column goes into the file's metadata. The name of a file may hold a
digest as well. pyarrow's conversions from and to NumPy import pandas, which takes longer than a search; these do not.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_exp.errors import in_one_line
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import open_regular, replacing

if TYPE_CHECKING:
    import pyarrow as pa

_DIGESTS = b"nas_exp.sha256"


def write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]], *, named_by: Sequence[str] = ()) -> Path:
    """Write one-dimensional numeric arrays of equal length as the columns of a file, atomically.

    Args:
        path: the file.
        columns: the arrays, by name.
        named_by: columns whose digest is added to the file's name, so that files of one name have the same content.

    Returns:
        The file: `path`, or with `named_by` ``<stem>-<16 hexadecimal digits>.parquet`` in the same folder.

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
    if named_by:
        path = path.with_stem(f"{path.stem}-{_digest_in_name(columns, named_by)}")
    write_table(path, pa.table(arrays))
    return path


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


def read_columns(
    path: Path, names: Sequence[str], *, named_by: Sequence[str] = (), most: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read numeric columns without gaps, each as an array of shape (rows,).

    A file that has no digests counts as whole.

    Args:
        path: the file.
        names: the columns to read.
        named_by: those of them whose digest ends the file's name.
        most: how many rows it may have, if that is known: a few bytes can claim any number.

    Raises:
        OSError: it cannot be read, as when there is no such file.
        DamagedError: it is not a Parquet file, lacks one of the columns or some of their values, has too many rows, or
            has changed since it was written.
    """
    table = _read(path, names, most=most)
    columns = {}
    for name in names:
        values = _numbers(table[name])
        if values is None:
            raise DamagedError(f"{path}: found gaps or no numbers in the column {name}")
        columns[name] = values
    if named_by and path.stem.rpartition("-")[2] != _digest_in_name(columns, named_by):
        raise DamagedError(f"{path}: does not hold the {', '.join(named_by)} that its name says")
    return columns


def read_table(path: Path, names: Sequence[str]) -> "pa.Table":
    """Read a file that `write_table` has written.

    Args:
        path: the file.
        names: columns that must be there, among others.

    Raises:
        OSError: it cannot be read, as when there is no such file.
        DamagedError: it is not such a file, lacks one of the columns, or has changed since it was written.
    """
    table = _read(path, names, all_columns=True)
    if _DIGESTS not in (table.schema.metadata or {}):
        raise DamagedError(f"{path}: does not say what was written")
    return table


def _read(path: Path, names: Sequence[str], *, all_columns: bool = False, most: int | None = None) -> "pa.Table":
    """Read columns and compare them with the digests in the file's metadata, if it has any."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open_regular(path) as stream:
            file = parquet.ParquetFile(stream)
            if most is not None and file.metadata.num_rows > most:
                raise DamagedError(f"{path}: has {file.metadata.num_rows:,} rows; expected at most {most:,}")
            table = file.read(columns=None if all_columns else list(names), use_threads=False)
        found = {name: _digest(table[name]) for name in table.column_names}
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system; pyarrow leaves out the name
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
        raise DamagedError(f"{path}: not a readable Parquet file ({in_one_line(error)})") from None
    for name in names:
        if name not in found:
            raise DamagedError(f"{path}: found no column {name}; expected {', '.join(names)}")
    if (written := (table.schema.metadata or {}).get(_DIGESTS)) is not None:
        digests = _parsed(written)
        for name, digest in found.items():
            if digests.get(name) != digest:
                raise DamagedError(f"{path}: the column {name} is not what was written")
    return table


def _parsed(digests: bytes) -> dict[str, str]:
    """Return the digests of columns by name; none if their text is damaged."""
    try:
        parsed = json.loads(digests)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _numbers(column: "pa.ChunkedArray") -> npt.NDArray[Any] | None:
    """Return the values of a numeric column without gaps; None if it is not one."""
    import pyarrow as pa

    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return None
    array = column.combine_chunks()
    values = np.frombuffer(array.buffers()[1], dtype=array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def _digest_in_name(columns: Mapping[str, npt.NDArray[Any]], named_by: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(columns[name].tobytes() for name in named_by)).hexdigest()[:16]


def _digest(column: "pa.ChunkedArray") -> str:
    values = _numbers(column)
    content = json.dumps(column.to_pylist(), default=repr).encode() if values is None else values.tobytes()
    return hashlib.sha256(f"{column.type}\n".encode() + content).hexdigest()[:16]
