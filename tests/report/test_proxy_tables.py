from collections.abc import Sequence

import numpy as np

from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.analysis.intervals import UNKNOWN, Interval
from nas_exp.report.document import Number, Table
from nas_exp.report.proxies import Comparison, Proxy
from nas_exp.report.proxy_tables import proxy_table

CEILING = NoiseCeiling(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0)


def proxy(name: str, rho: float, architectures: int, comes_from: str = "images") -> Proxy:
    known = Interval(rho, rho - 0.1, rho + 0.1)
    return Proxy(name, comes_from, known, known, known, known, rho, 1 - rho, 0.5, architectures)


def table_of(proxies: Sequence[Proxy]) -> Table:
    comparison = Comparison(proxies, CEILING, "top 10 %", [], np.empty((0, 0)))
    return proxy_table("cifar10", comparison, accuracy_name="test")


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
