"""Tables as people have them: all ways of writing one are read alike, and what is no table is refused in a line."""

import contextlib
import csv
import gzip
import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from nas_exp.benchmarks import Benchmark, file_columns, table
from nas_exp.errors import InputError
from tests.topology import SIZE, TOPOLOGY, str_of_index

NAMES = file_columns(TOPOLOGY.schedules)
ARCH = str_of_index(3)


def load(file: Path, dataset: str = "cifar10") -> Benchmark:
    return table.load(dataset, space=TOPOLOGY, path=file, store=Path())


def refusal(file: Path, dataset: str = "cifar10") -> str:
    with pytest.raises(InputError) as caught:
        load(file, dataset)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) <= 1500
    return message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property."""
    return tmp_path_factory.mktemp("tables")


@dataclass(frozen=True)
class Table:
    """Some rows of some columns; None where a value is not known."""

    columns: Mapping[str, tuple[float | None, ...]]
    archs: tuple[int, ...]

    def is_in(self, benchmark: Benchmark) -> bool:
        assert benchmark.arch_index.tolist() == sorted(self.archs)
        for meaning, name in NAMES.items():
            expected = [
                np.nan if value is None else value for value in self.columns.get(name, [None] * len(self.archs))
            ]
            np.testing.assert_array_equal(benchmark.of(meaning, self.archs), expected)
        return True


@st.composite
def tables(draw: st.DrawFn) -> Table:
    archs = draw(st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=8, unique=True))
    optional = [name for name in NAMES.values() if name != "val_acc_200"]
    names = ["val_acc_200", *draw(st.lists(st.sampled_from(optional), unique=True))]
    cells = st.floats(1, 100) | st.integers(1, 100).map(float)
    return Table(
        {
            name: tuple(draw(cells if name == "val_acc_200" else st.none() | cells) for _ in archs)
            for name in draw(st.permutations(names))
        },
        tuple(archs),
    )


QUOTING: Sequence[Literal[0, 1, 2]] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
HEADINGS: Sequence[Callable[[str], str]] = (str, str.upper, str.title, " {} ".format)


def write_csv(file: Path, content: Table, data: st.DataObject) -> None:
    """Write a table in a way that some tool has."""
    draw = data.draw
    delimiter, decimal = draw(st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ",")]))
    quoting = draw(st.sampled_from(QUOTING))
    unknown = draw(st.sampled_from(["", "-", "NA", "NaN", "null", "#N/A"]))
    as_heading = draw(st.sampled_from(HEADINGS))
    more = draw(st.sampled_from([[], [""], ["", ""]]))
    note = draw(st.sampled_from(['5" disk', "a, b; c\td", "", "\x0b\x1c\x85\u2028"]))
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter=delimiter, quoting=quoting, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))
    )
    writer.writerow([*map(as_heading, ["", "arch_str", *content.columns]), "note", *draw(st.sampled_from([[], more]))])
    for row, arch in enumerate(content.archs):
        if draw(st.booleans()):
            text.write(draw(st.sampled_from(["\n", "\r\n", delimiter * 4 + "\n"])))
        values = [column[row] for column in content.columns.values()]
        numbers = [unknown if value is None else repr(value).replace(".", decimal) for value in values]
        writer.writerow([str(row), str_of_index(arch), *numbers, note, *more])
    encoded = text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    file.write_bytes(gzip.compress(encoded) if draw(st.booleans()) else encoded)


@settings(deadline=None)
@given(st.data())
def test_a_table_is_read_the_same_however_it_is_written(folder: Path, data: st.DataObject) -> None:
    content, name = data.draw(tables()), data.draw(st.sampled_from(["x.csv", "x.csv.gz"]))
    write_csv(folder / name, content, data)
    assert content.is_in(load(folder / name))


@settings(deadline=None)
@given(st.data())
def test_a_parquet_table_is_read_the_same_whatever_its_types(folder: Path, data: st.DataObject) -> None:
    content, as_text = data.draw(tables()), data.draw(st.sampled_from([pa.string(), pa.large_string()]))
    columns: dict[str, pa.Array] = {
        name: pa.array(values, pa.float64()).cast(data.draw(st.sampled_from([pa.float64(), pa.string()])))
        for name, values in content.columns.items()
    }
    archs = pa.array([*map(str_of_index, content.archs)], as_text)
    columns[" Arch_Str"] = archs.dictionary_encode() if data.draw(st.booleans()) else archs
    columns["more"] = pa.array([[1, 2]] * len(archs))
    parquet.write_table(pa.table(columns), folder / "x.parquet", row_group_size=data.draw(st.integers(1, 10)))
    assert content.is_in(load(folder / "x.parquet"))


@settings(deadline=None)
@given(st.data())
def test_a_digest_is_of_what_a_table_says_and_not_of_its_file(folder: Path, data: st.DataObject) -> None:
    content = data.draw(tables())
    digests = []
    for _ in range(2):
        write_csv(folder / "x.csv", content, data)
        digests.append(load(folder / "x.csv").digest)
    assert digests[0] == digests[1]
    changed = {name: tuple(data.draw(st.permutations(values))) for name, values in content.columns.items()}
    write_csv(folder / "x.csv", Table(changed, content.archs), data)
    assert (load(folder / "x.csv").digest == digests[0]) == (changed == content.columns)


@settings(deadline=None)
@given(st.data())
def test_a_stray_quotation_mark_drops_no_row(folder: Path, data: st.DataObject) -> None:
    content = data.draw(tables())
    write_csv(folder / "x.csv", content, data)
    text = table_text(folder / "x.csv")
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + '"' + text[at:]
    (folder / "x.csv").write_bytes(text.encode())
    with contextlib.suppress(InputError):
        assert load(folder / "x.csv").arch_index.tolist() == sorted(content.archs)


def table_text(file: Path) -> str:
    content = file.read_bytes()
    content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")


@settings(deadline=None)
@given(st.sampled_from(["x.csv", "x.csv.gz", "x.parquet"]), st.data())
def test_whatever_a_file_holds_it_is_refused_in_a_line(folder: Path, name: str, data: st.DataObject) -> None:
    head = data.draw(st.sampled_from([b"", b"arch_str,val_acc_200\n", ARCH.encode(), b"\x1f\x8b\x08\x00", b"PAR1"]))
    (folder / name).write_bytes(head + data.draw(st.binary(max_size=200)))
    refusal(folder / name)


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    return stream.getvalue()


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n<!DOCTYPE html>\n<html><body>404</body></html>\n", "a web page"),
        (b"\xef\xbb\xbf<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
        (archive(), "an Excel workbook or another zip archive; expected its table as a CSV file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
    ],
    ids=["a web page", "another", "git-lfs", "xlsx", "xls"],
)
def test_what_people_download_instead_is_called_by_its_name(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert told in refusal(tmp_path / name)
    if not name.endswith("parquet"):
        (tmp_path / name).write_bytes(gzip.compress(content))
        assert told in refusal(tmp_path / name)


def test_a_workbook_is_told_what_to_do_with_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(archive())
    assert "as a CSV file" in refusal(tmp_path / "x.xlsx")


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("63.4%", "row 1: found val_acc_200 = 63.4%; expected a plain number"),
        ("true", "found val_acc_200 = true"),
        ("6_3", "found val_acc_200 = 6_3"),
        ("63.4.1", "found val_acc_200 = 63.4.1"),
        ('"63,4"', "found val_acc_200 = 63,4; expected a plain number, as 63.4"),
        ('"63.4', "line 2: unexpected end of data"),
        ("63.4,5", "line 2: Expected 2 columns, got 3"),
        ("1e999", "found val_acc_200 = inf"),
        ("\x00", "found val_acc_200 = \\x00"),
    ],
)
def test_what_is_no_number_is_shown(cell: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"arch_str,val_acc_200\n{ARCH},{cell}\n")
    assert told in refusal(tmp_path / "x.csv")


def test_points_and_commas_in_one_file_are_not_both_decimal(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"arch_str;val_acc_200;train_seconds_12\n{ARCH};63.4;1,234\n")
    assert "found train_seconds_12 = 1,234" in refusal(tmp_path / "x.csv")


@pytest.mark.parametrize(
    "values",
    [[True], [b"63"], [[63.0]], [{"a": 63.0}]],
    ids=["booleans", "bytes", "lists", "records"],
)
def test_parquet_columns_of_no_numbers_are_refused(values: list[Any], tmp_path: Path) -> None:
    parquet.write_table(pa.table({"arch_str": [ARCH], "val_acc_200": values}), tmp_path / "x.parquet")
    assert "val_acc_200" in refusal(tmp_path / "x.parquet")


def test_text_of_another_encoding_does_no_harm_in_other_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(f"arch_str,café,val_acc_200\n{ARCH},naïf,63\n".encode("latin-1"))
    assert load(tmp_path / "x.csv").of("val_acc", 3) == 63


@pytest.mark.parametrize("column", ["train_seconds_12", "val_seconds_12", "latency_s"])
def test_seconds_that_cannot_be_added_up_are_refused(column: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"arch_str,val_acc_200,{column}\n{ARCH},63,1e308\n")
    assert f"found {column} = 1e+308; expected a finite number from 0 to 1e+09 (seconds)" in refusal(tmp_path / "x.csv")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.sampled_from(["val_acc_200", "test_acc_200"]))
def test_shares_of_1_are_refused_and_accuracies_of_untrained_networks_are_not(
    folder: Path, values: list[float], column: str
) -> None:
    lines = [
        f"{str_of_index(arch)},{63 if column != 'val_acc_200' else value},{value}" for arch, value in enumerate(values)
    ]
    (folder / "x.csv").write_text("\n".join([f"arch_str,val_acc_200,{column.replace('val', 'x')}", *lines]))
    if len({*values} - {0.0, 1.0}) > 1:
        assert f"all {column} are from {min(values):g} to {max(values):g}" in refusal(folder / "x.csv")
        assert "multiply the column by 100" in refusal(folder / "x.csv")
    untrained = [f"{str_of_index(arch)},0.833333,1.0" for arch in range(len(values))]
    (folder / "x.csv").write_text("\n".join(["arch_str,val_acc_200,test_acc_200", *untrained]))
    assert load(folder / "x.csv").columns["val_acc"].tolist() == [0.833333] * len(values)


def endless(line: bytes) -> Iterator[bytes]:
    yield b"arch_str,val_acc_200\n"
    for _ in range(40):
        yield line * (2**20 // len(line))


@pytest.mark.parametrize(
    "line",
    [f"{ARCH},1\n".encode(), b"\n", b",\n", b"x", f'{ARCH},"'.encode(), f"{ARCH},1{',' * 9000}\n".encode()],
    ids=["equal rows", "blank lines", "empty rows", "one line", "one cell", "wide rows"],
)
def test_a_table_that_unpacks_is_refused_before_it_is_all_read(line: bytes, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.csv.gz", "wb", compresslevel=1) as file:
        for part in endless(line):
            file.write(part)
    tracemalloc.start()
    refusal(tmp_path / "x.csv.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * 2**20


def wide() -> pa.Table:
    return pa.table({f"c{number}": pa.array([1]) for number in range(20_000)})


def repeated(values: Mapping[str, pa.Array], rows: int) -> pa.Table:
    nothing = pa.array(np.zeros(rows, np.int32))
    return pa.table({name: pa.DictionaryArray.from_arrays(nothing, array) for name, array in values.items()})


PARQUET_BOMBS: dict[str, Callable[[], pa.Table]] = {
    "many columns": wide,
    "equal rows": lambda: repeated({"arch_str": pa.array([ARCH]), "val_acc_200": pa.array(["1"])}, 4_000_000),
    "one long text": lambda: repeated({"arch_str": pa.array(["x" * 10**6]), "val_acc_200": pa.array(["1"])}, SIZE),
    "one long view": lambda: pa.table(
        {"arch_str": pa.array(["x" * 10**5] * 3000, pa.string_view()), "val_acc_200": pa.array([1] * 3000)}
    ),
    "wide bytes": lambda: pa.table(
        {"arch_str": pa.array([b"x" * 10**5] * 3000, pa.binary(10**5)), "val_acc_200": pa.array([1] * 3000)}
    ),
    "a long number": lambda: repeated({"arch_str": pa.array([ARCH]), "val_acc_200": pa.array(["1" * 10**6])}, SIZE),
}


@pytest.mark.parametrize("name", PARQUET_BOMBS)
def test_a_parquet_table_that_unpacks_is_refused_before_it_is_all_read(name: str, tmp_path: Path) -> None:
    try:
        parquet.write_table(PARQUET_BOMBS[name](), tmp_path / "x.parquet")
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"pyarrow {pa.__version__} cannot write this: {error}")
    with counted() as memory:
        refusal(tmp_path / "x.parquet")
    assert memory.max_memory() < 50 * 2**20


def test_columns_that_are_not_wanted_take_no_memory(tmp_path: Path) -> None:
    rows = 1000
    columns = {"arch_str": [*map(str_of_index, range(rows))], "val_acc_200": np.linspace(10, 90, rows).tolist()}
    unwanted = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * 10**6]))
    parquet.write_table(pa.table({"note": unwanted, **columns}), tmp_path / "x.parquet")
    with counted() as memory:
        assert len(load(tmp_path / "x.parquet").arch_index) == rows
    assert 0 < memory.max_memory() < 50 * 2**20


@contextlib.contextmanager
def counted() -> Iterator[pa.MemoryPool]:
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(before)


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cifar10.csv")
    for path in (tmp_path / "cifar10.csv", tmp_path, Path("/dev/zero")):
        assert "no regular file" in refusal(path)


def test_files_of_odd_names_are_read_or_listed(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n_cifar10.csv"))
    odd.write_text(f"arch_str,val_acc_200\n{ARCH},63\n")
    assert load(odd).of("val_acc", 3) == 63
    odd.write_text("x")
    assert "\\udcff" in refusal(odd)
    for number in range(30):
        (tmp_path / f"{'long ' * 40}{number}_cifar10.csv").touch()
    assert "and 20 more" in refusal(tmp_path)
