import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from nas_exp.errors import InputError
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.parquet import GrowingColumns, read_columns, read_table, write_columns, write_table


def test_columns_come_back_bit_for_bit(tmp_path: Path) -> None:
    columns = {
        "arch_index": np.array([3, 1], dtype=np.int32),
        "score": np.array([np.nan, -np.inf]),
        "seconds": np.array([0.1, 2.0], dtype=np.float32),
    }
    write_columns(tmp_path / "a.parquet", columns)
    back = read_columns(tmp_path / "a.parquet", list(columns))
    for name, values in columns.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_numbers_of_every_type_come_back_as_they_were(tmp_path: Path, kind: str) -> None:
    values = np.array([0, 1, 100], dtype=kind)
    back = read_columns(write_columns(tmp_path / "table.parquet", {"values": values}), ("values",))["values"]
    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


def test_other_tools_read_the_same(tmp_path: Path) -> None:
    write_columns(tmp_path / "a.parquet", {"x": np.arange(5)[::2]})
    assert parquet.read_table(tmp_path / "a.parquet").to_pydict() == {"x": [0, 2, 4]}


def test_empty_columns_are_allowed(tmp_path: Path) -> None:
    write_columns(tmp_path / "a.parquet", {"x": np.empty(0)})
    assert read_columns(tmp_path / "a.parquet", ["x"])["x"].shape == (0,)


def test_what_is_not_such_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "none.parquet", ["x"])
    whole = tmp_path / "whole.parquet"
    write_columns(whole, {"x": np.arange(1000)})
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-100])
    parquet.write_table(pa.table({"x": ["a"], "y": [None]}), tmp_path / "words.parquet")
    for name, column in (("cut", "x"), ("whole", "y"), ("words", "x"), ("words", "y")):
        with pytest.raises(DamagedError, match=f"{name}.parquet: [^\n]*$"):
            read_columns(tmp_path / f"{name}.parquet", [column])


def test_a_value_that_is_not_what_was_written_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write_table(file, pa.table({"name": ["ä", None], "x": [1.0, 2.0]}))
    written = read_table(file, ["x"])
    assert written.to_pydict() == {"name": ["ä", None], "x": [1.0, 2.0]}
    for column, values in (("name", ["a", None]), ("x", [1.0, 2.5]), ("x", [1, 2])):
        at = written.column_names.index(column)
        parquet.write_table(written.set_column(at, column, pa.array(values)), file)
        with pytest.raises(DamagedError, match=f"^{file}: the column {column} is not what was written$"):
            read_table(file, [column])
    parquet.write_table(written.replace_schema_metadata(None), file)  # as other tools write it
    assert read_columns(file, ["x"])["x"].tolist() == [1.0, 2.0]
    with pytest.raises(DamagedError, match="does not say what was written"):
        read_table(file, ["x"])


def test_a_name_can_hold_the_digest_of_some_columns(tmp_path: Path) -> None:
    columns = {"arch_index": np.array([1, 7], dtype=np.int32), "score": np.array([0.5, np.nan]), "seconds": np.ones(2)}
    named_by = ("arch_index", "score")
    file = write_columns(tmp_path / "part-00001-00007.parquet", columns, named_by=named_by)
    assert file.name == "part-00001-00007-2cc07771035b4aa6.parquet"
    file = file.rename(tmp_path / f"damaged-{file.name}")
    assert read_columns(file, [*columns], named_by=named_by).keys() == columns.keys()
    write_columns(file, {**columns, "score": np.array([0.5, 0.25])})  # a whole file, but of other content
    with pytest.raises(DamagedError, match=f"^{file}: does not hold the arch_index, score that its name says$"):
        read_columns(file, [*columns], named_by=named_by)


@pytest.mark.parametrize("digests", [b"", b"{", b"[]", b"\xff", b'{"x": 1}', b'{"y": "0123456789abcdef"}'])
def test_damaged_digests_are_no_digests(tmp_path: Path, digests: bytes) -> None:
    parquet.write_table(pa.table({"x": [1.0]}, metadata={b"nas_exp.sha256": digests}), tmp_path / "a.parquet")
    with pytest.raises(DamagedError, match=r"a\.parquet: the column x is not what was written$"):
        read_columns(tmp_path / "a.parquet", ["x"])


def test_a_file_of_more_rows_than_there_can_be_is_not_read(tmp_path: Path) -> None:
    write_columns(tmp_path / "a.parquet", {"x": np.zeros(1_000_000)})
    before = pa.total_allocated_bytes()
    with pytest.raises(DamagedError, match="has 1,000,000 rows; expected at most 999,999"):
        read_columns(tmp_path / "a.parquet", ["x"], most=999_999)
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert len(read_columns(tmp_path / "a.parquet", ["x"], most=1_000_000)["x"]) == 1_000_000


def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no regular file"):
        read_columns(tmp_path / "a.parquet", ["x"])


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_columns_that_grow_give_the_file_of_all_rows_at_once(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    added = [
        {
            "arch_index": rng.integers(0, 9, length).astype(np.int32),
            "score": rng.choice([np.nan, np.inf, 1.5], length),
            "run": np.full(length, number, dtype=np.int64),
        }
        for number, length in enumerate(lengths)
    ]
    whole = {name: np.concatenate([columns[name] for columns in added]) for name in added[0]}
    with tempfile.TemporaryDirectory() as folder, GrowingColumns(Path(folder) / "grown.parquet") as growing:
        for columns in added:
            growing.add(columns)
        assert os.listdir(folder) == []
        growing.write()
        at_once = write_columns(Path(folder) / "at_once.parquet", whole)
        assert (Path(folder) / "grown.parquet").read_bytes() == at_once.read_bytes()
        for name in whole:
            for columns, piece in zip(added, growing.pieces(name), strict=True):
                np.testing.assert_array_equal(piece, columns[name])


def test_columns_longer_than_a_row_group_give_the_same_file(tmp_path: Path) -> None:
    values = np.arange(2**21 + 7, dtype=np.float64) % 1000
    with GrowingColumns(tmp_path / "grown.parquet") as growing:
        for piece in np.array_split(values, 13):
            growing.add({"score": piece})
        growing.write()
    at_once = write_columns(tmp_path / "at_once.parquet", {"score": values})
    assert (tmp_path / "grown.parquet").read_bytes() == at_once.read_bytes()


def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    with GrowingColumns(tmp_path / "grown.parquet") as growing, pytest.raises(OSError, match="No space") as raised:
        growing.add({"score": np.zeros(3)})
    assert raised.value.filename == str(tmp_path / "grown.parquet")
