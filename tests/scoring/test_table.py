import errno
import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from nas_exp.scoring import table as score_table
from nas_exp.scoring.table import Row, Scores, ScoreTable, shipped_identity
from nas_exp.storage.parquet import read_columns, write_columns
from tests.topology import SIZE

IDENTITY = {"dataset": "cifar10", "metric": "test", "seed": 0, "images": "abc"}


def test_scores_come_back_whatever_they_are(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.prepare()
    table.add([Row(5, math.nan, 0.1), Row(3, -math.inf, 0.2), Row(9, 1.5, 0.3)])
    read = ScoreTable(tmp_path, IDENTITY, SIZE).read()
    assert read.arch_index.tolist() == [3, 5, 9]
    np.testing.assert_array_equal(read.score, [-math.inf, math.nan, 1.5])
    np.testing.assert_allclose(read.seconds, [0.2, 0.1, 0.3], rtol=1e-6)


def test_any_change_of_identity_is_another_table(tmp_path: Path) -> None:
    ScoreTable(tmp_path, IDENTITY, SIZE).add([Row(1, 1.0, 0.1)])
    for change in ({"seed": 1}, {"images": "abd"}, {"new": None}):
        assert not len(ScoreTable(tmp_path, {**IDENTITY, **change}, SIZE).read().arch_index)
    assert ScoreTable(tmp_path, dict(reversed(IDENTITY.items())), SIZE).read().arch_index.tolist() == [1]


def test_the_folder_says_what_the_table_is(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.prepare()
    description = json.loads((table.folder / "_table.json").read_text())
    assert description.pop("made_by").startswith("nas-exp ")
    assert description == IDENTITY


def test_merging_keeps_everything_in_one_part(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    for arch in range(20):
        table.add([Row(arch, float(arch), 0.1), Row(arch + 1, arch + 1.0, 0.1)])
    table.merge()
    assert len(list(table.folder.glob("part-*.parquet"))) == 1
    read = table.read()
    assert read.arch_index.tolist() == read.score.tolist() == list(range(21))


def test_the_merged_table_has_the_same_bytes_whatever_the_order_of_writing(tmp_path: Path) -> None:
    names = []
    for folder, order in (("a", [0, 1, 2, 3]), ("b", [2, 0, 3, 1])):
        table = ScoreTable(tmp_path / folder, IDENTITY, SIZE)
        for arch in order:
            table.add([Row(arch, arch / 3, 0.5)])
        table.merge()
        (part,) = table.folder.glob("part-*.parquet")
        names.append((part.name, part.read_bytes()))
    assert names[0] == names[1]


def test_readers_writers_and_mergers_at_once_lose_nothing(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(0, 0.0, 0.0)])
    errors: list[BaseException] = []

    def write(start: int) -> None:
        try:
            for arch in range(start, start + 40):
                table.add([Row(arch, float(arch), 0.1)])
                if arch % 5 == 0:
                    table.merge()
                assert arch in table.read().arch_index
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    table.merge()
    assert len(table.read().arch_index) == 160


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign", "elsewhere", "changed"])
def test_a_damaged_part_is_told_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(1, 1.0, 0.1)])
    (part,) = table.folder.glob("part-*.parquet")
    table.add([Row(2, 2.0, 0.1), Row(3, 3.0, 0.1)])
    whole = part.read_bytes()
    if damage == "foreign":
        write_columns(part, {"arch_index": np.array([1]), "accuracy": np.array([1.0])})
    elif damage == "elsewhere":
        write_columns(part, {"arch_index": np.array([-1]), "score": np.array([1.0]), "seconds": np.array([1.0])})
    elif damage == "changed":
        columns = read_columns(part, ("arch_index", "score", "seconds"))
        write_columns(part, {**columns, "score": columns["score"] + 1e-9})
    else:
        part.write_bytes({"cut": whole[:50], "empty": b"", "text": b"arch_index,score\n1,2\n"}[damage])
    damaged = part.read_bytes()
    scores = table.read()
    assert scores.arch_index.tolist() == [2, 3]
    assert part.name in caplog.text
    assert not part.exists()
    assert part.with_name(f"damaged-{part.name}").read_bytes() == damaged
    # and computed again, it is there again
    table.add([Row(1, 1.0, 0.1)])
    table.merge()
    assert table.read().arch_index.tolist() == [1, 2, 3]
    assert part.with_name(f"damaged-{part.name}").exists()


def test_a_table_of_damaged_parts_alone_is_empty(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(1, 1.0, 0.1)])
    table.add([Row(2, 2.0, 0.1)])
    for part in table.folder.glob("part-*.parquet"):
        part.write_bytes(b"")
    table.merge()
    assert not len(table.read().arch_index)


def test_a_part_that_cannot_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(1, 1.0, 0.1)])

    def unreadable(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "part")

    monkeypatch.setattr(score_table, "read_columns", unreadable)
    with pytest.raises(OSError, match="Input/output error"):
        table.read()
    assert len(list(table.folder.glob("part-*.parquet"))) == 1


def test_half_written_files_are_not_read(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(1, 1.0, 0.1)])
    (table.folder / ".part-00001-00001-x.1234.parquet").write_bytes(b"half")
    assert table.read().arch_index.tolist() == [1]


def test_a_shipped_table_is_found_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_table, "SHIPPED", tmp_path)
    ScoreTable(tmp_path, IDENTITY, SIZE).prepare()
    ScoreTable(tmp_path, IDENTITY, SIZE).add([Row(1, 1.0, 0.1)])
    assert shipped_identity({**IDENTITY, "images": None}) == IDENTITY
    assert shipped_identity({"dataset": "cifar10", "metric": "test", "seed": 0}) == IDENTITY
    assert shipped_identity({**IDENTITY, "seed": 1}) is None
    assert shipped_identity({**IDENTITY, "metric": "tes"}) is None
    assert ScoreTable(tmp_path / "own", IDENTITY, SIZE).read().arch_index.tolist() == [1]


def test_of_parts_of_scores_the_first_counts() -> None:
    first = Scores(np.array([2, 7]), np.array([1.0, math.nan]), np.array([0.1, 0.2]))
    second = Scores(np.array([1, 7]), np.array([3.0, 4.0]), np.array([0.3, 0.4]))
    both = Scores.first_of([first, second])
    assert both.arch_index.tolist() == [1, 2, 7]
    np.testing.assert_array_equal(both.score, [3.0, 1.0, math.nan])
    assert both.seconds.tolist() == [0.3, 0.1, 0.2]
    assert both.have([7, 3, 1]).tolist() == [True, False, True]
    assert both.of([7, 1, 9]).arch_index.tolist() == [1, 7]
    assert not len(Scores.first_of([]).arch_index)


def test_missing_are_those_without_a_score_in_the_order_asked(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY, SIZE)
    table.add([Row(1, 1.0, 0.1), Row(8, math.nan, 0.1)])
    assert table.missing([9, 8, 3, 1]) == [9, 3]


def test_a_table_of_a_large_space_holds_what_was_scored(tmp_path: Path) -> None:
    last = 10**18 - 1
    table = ScoreTable(tmp_path, IDENTITY, 10**18)
    table.add([Row(last, 2.0, 0.1), Row(4, 1.0, 0.1)])
    assert table.read().arch_index.tolist() == [4, last]
    assert table.missing([last, 5]) == [5]
    # the same file is no part of a smaller space
    (part,) = table.folder.glob("part-*.parquet")
    assert not len(ScoreTable(tmp_path, IDENTITY, SIZE).read().arch_index)
    assert not part.exists()
