"""A table that is being filled: what is on disk meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_exp.scoring import filling
from nas_exp.scoring.compute import Wanted
from nas_exp.scoring.filling import Filling
from nas_exp.scoring.table import Row, ScoreTable
from tests.topology import SIZE

IDENTITY = {"dataset": "none", "metric": "square"}
RECIPE: Any = "square"


def squares(wanted: Wanted, *, n_jobs: int) -> Iterator[list[list[Row]]]:
    ((_, archs),) = wanted
    for arch in archs:
        yield [[Row(arch, float(arch**2), 0.5)]]


def parts(table: ScoreTable) -> list[Path]:
    return sorted(table.folder.glob("part-*"))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoreTable:
    monkeypatch.setattr(filling, "compute", squares)
    monkeypatch.setattr(filling, "_SECONDS_BETWEEN_WRITES", -1.0)
    return ScoreTable(tmp_path, IDENTITY, SIZE, RECIPE)


def test_a_process_writes_often_and_has_few_parts(table: ScoreTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_ROWS_A_PART", 4)
    found = []
    with Filling(table, n_jobs=1) as live:
        for number, _ in enumerate(live.compute(range(10)), start=1):
            if number > 1:  # what has been yielded is written when the next is asked for
                assert table.read().arch_index.tolist() == list(range(number))
                found.append(len(parts(table)))
    assert found == [1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert len(parts(table)) == 1
    assert table.read().score.tolist() == [arch**2 for arch in range(10)]


def test_another_process_may_merge_meanwhile(table: ScoreTable) -> None:
    with Filling(table, n_jobs=1) as live:
        for rows in live.compute(range(6)):
            if rows[0].arch_index == 2:
                other = ScoreTable(table.folder.parent.parent, IDENTITY, SIZE)
                other.add([Row(9, 81.0, 0.5)])
                other.merge()
    assert table.read().arch_index.tolist() == [0, 1, 2, 3, 4, 5, 9]
    assert len(parts(table)) == 1
