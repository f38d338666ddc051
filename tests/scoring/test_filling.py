"""A table that is being filled: what is on disk meanwhile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.scoring import filling as live_table
from nas_exp.scoring.compute import Scored
from nas_exp.scoring.filling import LiveTable
from nas_exp.scoring.table import ScoreTable

IDENTITY = {"dataset": "none", "metric": "square"}


def squares(_: Any, arch_index: Sequence[int], *, n_jobs: int) -> Iterator[list[Scored]]:
    for arch in arch_index:
        yield [Scored(arch, float(arch**2), 0.5)]


def parts(table: ScoreTable) -> list[Path]:
    return sorted(table.folder.glob("part-*"))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoreTable:
    monkeypatch.setattr(live_table, "compute", squares)
    monkeypatch.setattr(live_table, "_SECONDS_BETWEEN_WRITES", -1.0)
    return ScoreTable(tmp_path, IDENTITY)


def test_a_process_writes_often_and_has_few_parts(table: ScoreTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "_ROWS_A_PART", 4)
    found = []
    with LiveTable(table, None, n_jobs=1) as live:  # type: ignore[arg-type]
        for number, _ in enumerate(live.compute(range(10)), start=1):
            if number > 1:  # what has been yielded is written when the next is asked for
                assert np.flatnonzero(table.read().known).tolist() == list(range(number))
                found.append(len(parts(table)))
    assert found == [1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert len(parts(table)) == 1
    assert table.read().score[:10].tolist() == [arch**2 for arch in range(10)]


def test_another_process_may_merge_meanwhile(table: ScoreTable) -> None:
    with LiveTable(table, None, n_jobs=1) as live:  # type: ignore[arg-type]
        for scored in live.compute(range(6)):
            if scored[0].arch_index == 2:
                ScoreTable(table.folder.parent.parent, IDENTITY).add([9], [81.0], [0.5])
                ScoreTable(table.folder.parent.parent, IDENTITY).merge()
    assert np.flatnonzero(table.read().known).tolist() == [0, 1, 2, 3, 4, 5, 9]
    assert len(parts(table)) == 1
