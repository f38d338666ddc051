"""Parquet files that say whether they are still what was written.

pyarrow checks no checksums, so a digest of every column goes into the file's metadata. The name of a file may hold a
digest as well. pyarrow's conversions from and to NumPy import pandas, which takes longer than a search; these do not.
"""

import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_exp.errors import in_one_line
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.files import open_regular, replacing

if TYPE_CHECKING:
    import pyarrow as pa

_DIGESTS = b"nas_exp.sha256"
_ROWS_A_GROUP = 2**20
"""As many as Parquet's writer puts into a row group of a longer table."""


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
    if named_by:
        path = path.with_stem(f"{path.stem}-{_digest_in_name(columns, named_by)}")
    write_table(path, _table(columns))
    return path


class GrowingColumns:
    """Numeric columns that may become longer than memory: what is added lies in temporary files until the block ends.

    The file that is written is the same as if all rows were written at once.
    """

    def __init__(self, path: Path) -> None:
        """Start without any.

        Args:
            path: the file to write; the temporary files are in its folder and have no names.
        """
        self._path, self._held = path, ExitStack()
        self._ends = [0]
        self._files: dict[str, IO[bytes]] = {}
        self._types: dict[str, np.dtype[Any]] = {}
        self._digests: dict[str, hashlib._Hash] = {}

    def __enter__(self) -> "GrowingColumns":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def add(self, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add rows: an array for each column, of the same names and types each time.

        Raises:
            OSError: the disk is full; it names the file to write.
        """
        try:
            for name, values in columns.items():
                if name not in self._files:
                    self._types[name], self._digests[name] = values.dtype, _hash_of(_arrow_type(values.dtype))
                    file = tempfile.TemporaryFile(dir=self._path.parent, buffering=0)  # noqa: SIM115 - as long as all
                    self._files[name] = self._held.enter_context(file)
                left = memoryview(values.tobytes())
                self._digests[name].update(left)
                while left:
                    left = left[self._files[name].write(left) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._ends.append(self._ends[-1] + len(values))

    def pieces(self, name: str) -> "Sequence[npt.NDArray[Any]]":
        """Return a column as it was added, until the block ends: one array for each time, read when it is asked for."""
        return _Pieces(self, name)

    def _read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        file, size = self._files[name], self._types[name].itemsize
        file.seek(start * size)
        return np.frombuffer(file.read((stop - start) * size), self._types[name])

    def write(self) -> None:
        """Write the file, atomically.

        Raises:
            OSError: it cannot be written.
        """
        digests = {name: digest.hexdigest()[:16] for name, digest in self._digests.items()}
        bounds = itertools.pairwise([*range(0, self._ends[-1], _ROWS_A_GROUP), self._ends[-1]])
        groups = ({name: self._read(name, *rows) for name in digests} for rows in bounds)
        _write(self._path, digests, map(_table, groups))


class _Pieces(Sequence[npt.NDArray[Any]]):
    def __init__(self, columns: GrowingColumns, name: str) -> None:
        self._columns, self._name = columns, name

    def __len__(self) -> int:
        return len(self._columns._ends) - 1

    def __getitem__(self, place: Any) -> Any:
        return self._columns._read(self._name, self._columns._ends[place], self._columns._ends[place + 1])


def _arrow_type(dtype: np.dtype[Any]) -> "pa.DataType":
    import pyarrow as pa

    return pa.from_numpy_dtype(dtype)


def _table(columns: Mapping[str, npt.NDArray[Any]]) -> "pa.Table":
    import pyarrow as pa

    return pa.table(
        {
            name: pa.Array.from_buffers(
                _arrow_type(values.dtype), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
            )
            for name, values in columns.items()
        }
    )


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a table of numbers and strings with a digest of each column, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    _write(path, {name: _digest(table[name]) for name in table.column_names}, [table])


def _write(path: Path, digests: Mapping[str, str], tables: Iterable["pa.Table"]) -> None:
    """Write tables of the same columns one after the other, with the digests of their columns."""
    from pyarrow import parquet

    rest = iter(tables)
    first = next(rest)
    schema = first.schema.with_metadata({_DIGESTS: json.dumps(digests)})
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in itertools.chain([first], rest):
            writer.write_table(table)


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
    kind = "f" if pa.types.is_floating(column.type) else "i" if pa.types.is_signed_integer(column.type) else "u"
    # not to_pandas_dtype: older versions of pyarrow import pandas there
    values = np.frombuffer(array.buffers()[1], dtype=f"{kind}{column.type.bit_width // 8}")
    return values[array.offset : array.offset + len(array)]


def _digest_in_name(columns: Mapping[str, npt.NDArray[Any]], named_by: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(columns[name].tobytes() for name in named_by)).hexdigest()[:16]


def _digest(column: "pa.ChunkedArray") -> str:
    values, digest = _numbers(column), _hash_of(column.type)
    digest.update(json.dumps(column.to_pylist(), default=repr).encode() if values is None else values.data)
    return digest.hexdigest()[:16]


def _hash_of(column_type: "pa.DataType") -> "hashlib._Hash":
    return hashlib.sha256(f"{column_type}\n".encode())
