"""Numeric columns in and out of Parquet files.

pyarrow's own conversions from and to NumPy import pandas, which takes longer than a search; these do not.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp.atomic import replacing
from nas_exp.errors import InputError, in_one_line


def write_columns(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one-dimensional numeric arrays of equal length as the columns of a file, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    arrays = {
        name: pa.Array.from_buffers(
            pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
        )
        for name, values in columns.items()
    }
    with replacing(path) as temporary:
        parquet.write_table(pa.table(arrays), temporary, compression="zstd")


def read_columns(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read numeric columns without gaps, each as an array of shape (rows,).

    Raises:
        OSError: it cannot be read, as when there is no such file.
        InputError: it is not a Parquet file, or lacks one of the columns or some of their values.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=list(names), use_threads=False)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system; pyarrow leaves out the name
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
        raise InputError(f"{path}: not a readable Parquet file ({in_one_line(error)})") from None
    columns = {}
    for name in names:
        if name not in table.column_names:
            raise InputError(f"{path}: found no column {name}; expected {', '.join(names)}")
        column = table[name].combine_chunks()
        if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise InputError(f"{path}: found gaps or no numbers in the column {name}")
        values = np.frombuffer(column.buffers()[1], dtype=column.type.to_pandas_dtype())
        columns[name] = values[column.offset : column.offset + len(column)]
    return columns
