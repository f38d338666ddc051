import errno
import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from nas_exp.scoring import table as score_table
from nas_exp.scoring.table import ScoreTable, shipped_identity
from nas_exp.storage.parquet import read_columns, write_columns

IDENTITY = {"dataset": "cifar10", "metric": "test", "seed": 0, "images": "abc"}


def test_scores_come_back_whatever_they_are(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.prepare()
    table.add([5, 3, 9], [math.nan, -math.inf, 1.5], [0.1, 0.2, 0.3])
    read = ScoreTable(tmp_path, IDENTITY).read()
    assert np.flatnonzero(read.known).tolist() == [3, 5, 9]
    np.testing.assert_array_equal(read.score[[3, 5, 9]], [-math.inf, math.nan, 1.5])
    np.testing.assert_allclose(read.seconds[[3, 5, 9]], [0.2, 0.1, 0.3], rtol=1e-6)


def test_any_change_of_identity_is_another_table(tmp_path: Path) -> None:
    ScoreTable(tmp_path, IDENTITY).add([1], [1.0], [0.1])
    for change in ({"seed": 1}, {"images": "abd"}, {"new": None}):
        assert not ScoreTable(tmp_path, {**IDENTITY, **change}).read().known.any()
    assert ScoreTable(tmp_path, dict(reversed(IDENTITY.items()))).read().known.sum() == 1


def test_the_folder_says_what_the_table_is(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.prepare()
    description = json.loads((table.folder / "_table.json").read_text())
    assert description.pop("made_by").startswith("nas-exp ")
    assert description == IDENTITY


def test_merging_keeps_everything_in_one_part(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    for arch in range(20):
        table.add([arch, arch + 1], [float(arch), arch + 1.0], [0.1, 0.1])
    table.merge()
    assert len(list(table.folder.glob("part-*.parquet"))) == 1
    read = table.read()
    assert read.score[:21].tolist() == [float(arch) for arch in range(21)]
    assert read.known.sum() == 21


def test_the_merged_table_has_the_same_bytes_whatever_the_order_of_writing(tmp_path: Path) -> None:
    names = []
    for folder, order in (("a", [0, 1, 2, 3]), ("b", [2, 0, 3, 1])):
        table = ScoreTable(tmp_path / folder, IDENTITY)
        for arch in order:
            table.add([arch], [arch / 3], [0.5])
        table.merge()
        (part,) = table.folder.glob("part-*.parquet")
        names.append((part.name, part.read_bytes()))
    assert names[0] == names[1]


def test_readers_writers_and_mergers_at_once_lose_nothing(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.add([0], [0.0], [0.0])
    errors: list[BaseException] = []

    def write(start: int) -> None:
        try:
            for arch in range(start, start + 40):
                table.add([arch], [float(arch)], [0.1])
                if arch % 5 == 0:
                    table.merge()
                assert table.read().known[arch]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    table.merge()
    assert table.read().known.sum() == 160


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign", "elsewhere", "changed"])
def test_a_damaged_part_is_told_and_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.add([1], [1.0], [0.1])
    (part,) = table.folder.glob("part-*.parquet")
    table.add([2, 3], [2.0, 3.0], [0.1, 0.1])
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
    assert np.flatnonzero(scores.known).tolist() == [2, 3]
    assert part.name in caplog.text
    assert not part.exists()
    assert part.with_name(f"damaged-{part.name}").read_bytes() == damaged
    # and computed again, it is there again
    table.add([1], [1.0], [0.1])
    table.merge()
    assert np.flatnonzero(table.read().known).tolist() == [1, 2, 3]
    assert part.with_name(f"damaged-{part.name}").exists()


def test_a_table_of_damaged_parts_alone_is_empty(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.add([1], [1.0], [0.1])
    table.add([2], [2.0], [0.1])
    for part in table.folder.glob("part-*.parquet"):
        part.write_bytes(b"")
    table.merge()
    assert not table.read().known.any()


def test_a_part_that_cannot_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.add([1], [1.0], [0.1])

    def unreadable(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "part")

    monkeypatch.setattr(score_table, "read_columns", unreadable)
    with pytest.raises(OSError, match="Input/output error"):
        table.read()
    assert len(list(table.folder.glob("part-*.parquet"))) == 1


def test_half_written_files_are_not_read(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path, IDENTITY)
    table.add([1], [1.0], [0.1])
    (table.folder / ".part-00001-00001-x.1234.parquet").write_bytes(b"half")
    assert table.read().known.sum() == 1


def test_a_shipped_table_is_found_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_table, "SHIPPED", tmp_path)
    ScoreTable(tmp_path, IDENTITY).prepare()
    ScoreTable(tmp_path, IDENTITY).add([1], [1.0], [0.1])
    assert shipped_identity({**IDENTITY, "images": None}) == IDENTITY
    assert shipped_identity({"dataset": "cifar10", "metric": "test", "seed": 0}) == IDENTITY
    assert shipped_identity({**IDENTITY, "seed": 1}) is None
    assert shipped_identity({**IDENTITY, "metric": "tes"}) is None
    assert ScoreTable(tmp_path / "own", IDENTITY).read().known.sum() == 1
