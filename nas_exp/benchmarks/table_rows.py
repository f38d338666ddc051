"""The rows of a CSV or Parquet file that may hold anything: the wanted columns alone, in batches, within bounds.

What a file is, its content says: whether it is compressed, in which encoding, and what stands between its cells. A row
of a CSV file is a line, so that no quotation mark can make rows disappear.
"""

import codecs
import contextlib
import csv
import functools
import gzip
import io
import math
import operator
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from nas_exp.errors import InputError, in_one_line, shown
from nas_exp.storage.files import open_regular

if TYPE_CHECKING:
    import pyarrow as pa

Batch = Mapping[str, list[Any]]
"""Some rows, by column: strings of `arch_str`, numbers of all others, NaN where there is none."""

Choose = Callable[[Sequence[str]], Mapping[str, int]]
"""Returns the places of the wanted columns among the headings of a file."""

_LONGEST = 2**16
"""Characters of a line or a text."""
_LINE = 2**14
"""Characters that lines may have on average: lines with as many rows, as many blank lines, and some."""
_BATCH = 1024
"""Lines that are held at a time."""
_LARGEST = 2**28
"""Bytes that a column of a part of a Parquet file may have once it is unpacked."""

_UNKNOWN = frozenset(
    "|-|–|—|na|n/a|#n/a|#n/a n/a|#na|null|none|nan|-nan|1.#ind|-1.#ind|1.#qnan|-1.#qnan".split("|")  # noqa: SIM905
)
"""What stands in a cell that has no number, in small letters."""

_PLAIN = re.compile(r"[0-9.]*")

_FOREIGN = {
    b"version https://git-lfs": "a git-lfs pointer, not the file itself; expected `git lfs pull` to be run first",
    b"PK\x03\x04": "an Excel workbook or another zip archive; expected its table as a CSV file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; expected its table as a CSV file",
    b"<": "a web page, not the file itself; expected a CSV or Parquet table: download it again",
}
"""What people have under the name of a table, by how it begins."""


def read_rows(file: Path, choose: Choose, most: int) -> Iterator[Batch]:
    """Yield the rows of a CSV file, which may be gzipped, or of a Parquet file.

    Args:
        file: the file.
        choose: which columns to read.
        most: how many rows the file may have; the batch that exceeds it is the last.

    Raises:
        InputError: it cannot be read, is something else, or holds what is no number.
    """
    import pyarrow as pa

    try:
        with open_regular(file) as stream:
            head = _head(stream)
            _refuse_foreign(head, file)
            if not file.name.lower().endswith((".csv", ".csv.gz", ".parquet")):
                raise InputError(f"{file}: expected a file that ends in .csv, .csv.gz or .parquet")
            is_parquet = file.name.lower().endswith(".parquet") or head.startswith(b"PAR1")
            yield from (_parquet if is_parquet else _csv)(stream, file, choose, most)
    except (pa.ArrowException, csv.Error, EOFError, OSError, UnicodeError, zlib.error) as error:
        raise InputError(f"{file}: not readable ({in_one_line(error)}); expected a CSV or Parquet table") from None


def of_table(
    table: "pa.Table | pa.RecordBatch", columns: Mapping[str, int | str], file: Path, before: int = 0
) -> Batch:
    """Return the rows of a table of Arrow.

    Args:
        table: some or all rows of a file.
        columns: the places or headings of the wanted columns.
        file: where it comes from, for error messages.
        before: how many rows of the file precede.

    Raises:
        InputError: `arch_str` has what is no text, or another column what is no number.
    """
    return _converted({name: _cells(table.column(at), name, file) for name, at in columns.items()}, file, before, {"."})


def _cells(column: "pa.Array | pa.ChunkedArray", name: str, file: Path) -> list[Any]:
    import pyarrow as pa

    if not isinstance(column, pa.DictionaryArray):
        cells: list[Any] = column.to_pylist()
        return cells
    # a text that is there many times is held once
    texts = column.dictionary.to_pylist()
    if any(len(text) > _LONGEST for text in texts if isinstance(text, str | bytes)):
        raise InputError(f"{file}: found a text of more than {_LONGEST:,} characters in the column {name}")
    return [None if at is None else texts[at] for at in column.indices.to_pylist()]


def _parquet(stream: BinaryIO, file: Path, choose: Choose, most: int) -> Iterator[Batch]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    opened = ParquetFile(stream)
    schema, metadata = opened.schema_arrow, opened.metadata
    columns = {name: schema.names[at] for name, at in choose(schema.names).items()}
    for heading in columns.values():
        kind = schema.field(heading).type
        if pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind):
            raise InputError(
                f"{file}: found values of type {kind} in the column {heading}; expected numbers or strings"
            )
    leaves = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path in columns.values()]
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    if any(group.column(at).total_uncompressed_size > _LARGEST for group in groups for at in leaves):
        raise InputError(f"{file}: a column unpacks to more than {_LARGEST >> 20} MB; expected a table of numbers")
    opened, before = ParquetFile(stream, metadata=metadata, read_dictionary=list(columns.values())), 0
    for batch in opened.iter_batches(2**16, columns=list(columns.values()), use_threads=False):
        batch.validate(full=True)  # damaged files may point beyond their dictionaries
        yield of_table(batch, columns, file, before)
        before += batch.num_rows


def _csv(stream: BinaryIO, file: Path, choose: Choose, most: int) -> Iterator[Batch]:
    raw: Any = gzip.GzipFile(fileobj=stream) if _head(stream).startswith(b"\x1f\x8b") else stream
    head = _head(raw)
    _refuse_foreign(head, file)
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    # bytes that are no text do no harm in columns that are not read
    with io.TextIOWrapper(raw, encoding, errors="surrogateescape") as text:
        yield from _csv_rows(_lines(text, file, most), file, choose)


def _csv_rows(lines: Iterator[tuple[int, str]], file: Path, choose: Choose) -> Iterator[Batch]:
    number, line = next(lines, (0, ""))
    if not line:
        raise InputError(f"{file}: Empty CSV file; expected a line of headings, then one for each architecture")
    delimiter = max(",;\t", key=line.count)
    decimals = {"."} if delimiter == "," else {".", ","}
    headings = _split(line.rstrip(f"{delimiter} "), delimiter, number, file)
    columns = choose(headings)
    pick, rows, before = operator.itemgetter(*columns.values()), list[Sequence[str]](), 0
    for number, line in lines:
        if not line.strip(f'{delimiter}" \t'):
            continue
        cells = _split(line, delimiter, number, file)
        if len(cells) < len(headings) or "".join(cells[len(headings) :]).strip():
            told = f"Expected {len(headings)} columns, got {len(cells)}"
            raise InputError(f"{file}: line {number}: {told}; a cell that has a {delimiter!r} needs quotation marks")
        rows.append(pick(cells))
        if len(rows) == _BATCH:
            yield _converted(dict(zip(columns, zip(*rows, strict=True), strict=True)), file, before, decimals)
            before += len(rows)
            rows.clear()
    if rows:
        yield _converted(dict(zip(columns, zip(*rows, strict=True), strict=True)), file, before, decimals)


def _head(stream: Any) -> bytes:
    head: bytes = stream.peek(64)
    return head


def _refuse_foreign(head: bytes, file: Path) -> None:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for beginning, told in _FOREIGN.items():
        if start.startswith(beginning):
            raise InputError(f"{file}: is {told}")


def _lines(text: TextIO, file: Path, most: int) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, numbered from 1."""
    number, left = 0, (2 * most + 1000) * _LINE
    while line := text.readline(_LONGEST + 1):
        number, left = number + 1, left - max(len(line), _LINE)
        if len(line) > _LONGEST:
            raise InputError(f"{file}: line {number} has more than {_LONGEST:,} characters; expected a row of a table")
        if left < 0:
            raise InputError(f"{file}: has more to read after line {number} than {most:,} rows need")
        if not line.isspace():
            yield number, line.rstrip("\n")


def _split(line: str, delimiter: str, number: int, file: Path) -> list[str]:
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error as error:
        expected = "quotation marks around whole cells alone, each closed in its line"
        raise InputError(f"{file}: line {number}: {in_one_line(error)}; expected {expected}") from None


def _converted(cells: Mapping[str, Sequence[Any]], file: Path, before: int, decimals: set[str]) -> Batch:
    """Return cells as texts and numbers.

    Args:
        cells: those of some rows, by column.
        file: where they come from.
        before: how many rows of the file precede.
        decimals: the decimal marks that numbers may have; from the first number with one, that one alone.
    """
    batch = dict[str, list[Any]]()
    for column, found in cells.items():
        if column != "arch_str" and (numbers := _plain_numbers(found, decimals)) is not None:
            batch[column] = numbers
            continue
        convert = _text if column == "arch_str" else functools.partial(_number, decimals=decimals)
        expected = "a string" if column == "arch_str" else "a plain number, as 63.4, or an empty cell"
        batch[column] = []
        for row, cell in enumerate(found, before + 1):
            try:
                batch[column].append(convert(cell))
            except (TypeError, ValueError):
                told = f"found {column} = {shown(str(cell))}; expected {expected}"
                raise InputError(f"{file}: row {row}: {told}") from None
    return batch


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise TypeError
    return cell.strip()


def _number(cell: Any, *, decimals: set[str]) -> float:
    if isinstance(cell, str):
        if cell.strip().casefold() in _UNKNOWN:
            return math.nan
        if (mark := "," if "," in cell else "." if "." in cell else "") and mark not in decimals:
            raise ValueError
        decimals.intersection_update(mark or decimals)
        cell = cell.replace(",", ".").replace("_", "?")  # numbers of Python may have underscores
    elif cell is None:
        return math.nan
    elif isinstance(cell, bool | bytes):
        raise TypeError
    return float(cell)


def _plain_numbers(cells: Sequence[Any], decimals: set[str]) -> list[float] | None:
    """Return what `_number` returns of each cell, in a fraction of the time; None unless all have digits and points."""
    with contextlib.suppress(TypeError, ValueError):
        text = "".join(cells)
        if "." in decimals and _PLAIN.fullmatch(text):
            numbers = list(map(float, cells))
            decimals.intersection_update("." if "." in text else decimals)
            return numbers
    return None
