from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.analysis.intervals import UNKNOWN, Interval, without_bounds
from nas_exp.analysis.ranking import RankingQuality
from nas_exp.notebook import configure
from nas_exp.report.document import Number, Table
from nas_exp.report.metric_tables import proxy_table
from nas_exp.report.proxies import RankedMetric, RankedMetrics
from nas_exp.report.sweep import FinishedJob, FinishedSweep

CEILING = NoiseCeiling(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0)


def proxy(name: str, rho: float, architectures: int, comes_from: str = "images") -> RankedMetric:
    known = Interval(rho, rho - 0.1, rho + 0.1)
    quality = RankingQuality(
        known, known, known, known, {100: known}, {100: known}, without_bounds(1 - rho), architectures
    )
    return RankedMetric(name, comes_from, 0.5, quality)


def table_of(proxies: Sequence[RankedMetric], ceiling: NoiseCeiling | None = CEILING) -> Table:
    ranked = RankedMetrics(proxies, ceiling, "top 10 %", [], np.empty((0, 0)))
    sweep = FinishedSweep(Path(), "correlate", [FinishedJob(Path(), configure(), {})])
    return proxy_table(sweep, "cifar10", ranked)


def in_bold(table: Table) -> set[object]:
    return {row[0] for row in table.rows for cell in row if isinstance(cell, Number) and cell.best}


def test_the_best_of_those_that_do_not_train_is_bold() -> None:
    table = table_of([proxy("val_acc", 0.9, 50, "benchmark"), proxy("meco", 0.8, 50), proxy("zen", 0.5, 50)])
    assert in_bold(table) == {"meco"}
    assert "architectures" not in table.columns


def test_a_metric_with_scores_of_fewer_architectures_is_not_the_best() -> None:
    table = table_of([proxy("snip", 0.8, 20), proxy("zen", 0.5, 50)])
    assert in_bold(table) == {"zen"}
    assert [row[table.columns.index("architectures")] for row in table.rows] == [None, 20, 50]
    assert "nDCG, precision and regret do not compare" in table.note


def test_a_space_without_twins_has_no_row_of_them() -> None:
    with_twins, without = (table_of([proxy("zen", 0.5, 50)], ceiling) for ceiling in (CEILING, None))
    assert [row[0] for row in with_twins.rows] == ["twins", "zen"]
    assert [row[0] for row in without.rows] == ["zen"]
    assert "Twins" not in without.note
