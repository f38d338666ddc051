"""The paper is one reference of a report; without any, the report is about our numbers alone."""

from pathlib import Path

import pytest

from nas_exp.analysis.intervals import Interval, without_bounds
from nas_exp.analysis.ranking import RankingQuality
from nas_exp.notebook import configure
from nas_exp.report.evidence import Evidence
from nas_exp.report.metric_tables import correlation_tables
from nas_exp.report.paper.numbers import PAPER
from nas_exp.report.reference import Reference
from nas_exp.report.search_tables import search_tables
from nas_exp.report.sweep import FinishedJob, FinishedSweep
from nas_exp.storage.summary import Summary

SUMMARY: Summary = {
    "seconds_mean": 80.0, "val_acc_mean": 90.0, "val_acc_std": 0.5, "test_acc_mean": 89.0, "test_acc_std": 0.4
}  # fmt: skip


def sweep_of(reference: Reference, *overrides: str) -> FinishedSweep:
    return FinishedSweep(
        Path(), "search", [FinishedJob(Path(), configure(*overrides), SUMMARY, runs={})], reference=reference
    )


def evidence_of(rho: float) -> Evidence:
    known, unknown = Interval(rho, rho - 0.1, rho + 0.1), without_bounds(None)
    quality = RankingQuality(known, unknown, known, unknown, {}, {}, unknown, 9)
    return Evidence({("cifar10", "synflow"): quality}, {}, {}, {}, {}, {}, None, {}, {}, {})


def test_searches_stand_beside_the_papers() -> None:
    (table,) = search_tables(sweep_of(PAPER, "algo=rs"))
    assert (table.name, table.title[:34]) == ("table-3", "Table III: what searches found on ")
    assert [row[:2] for row in table.rows] == [["SynFlow", "ours"], ["SynFlow", "paper"], ["SynFlow", "difference"]]
    assert table.headings[2] == "Random search: seconds"


def test_searches_of_other_lengths_do_not() -> None:
    (table,) = search_tables(sweep_of(PAPER, "algo=rs", "algo.N=10"))
    assert [row[1] for row in table.rows] == ["ours"]


def test_without_a_reference_searches_stand_alone() -> None:
    (table,) = search_tables(sweep_of(Reference(), "algo=rs"))
    assert (table.name, table.title[:23]) == ("searches-cifar10", "What searches found on ")
    assert table.headings == ["metric", "rs: seconds", "rs: validation", "rs: test"]
    assert [row[0] for row in table.rows] == ["synflow"]
    assert "paper" not in table.note


@pytest.mark.parametrize(
    ("reference", "names", "headings"),
    [
        (PAPER, ["table-1", "table-6"], ["SynFlow: ours", "SynFlow: paper", "SynFlow: difference"]),
        (Reference(), ["correlations", "correlations-top"], ["synflow: ours"]),
    ],
)
def test_correlations_stand_beside_published_ones(reference: Reference, names: list[str], headings: list[str]) -> None:
    tables = correlation_tables(sweep_of(reference), evidence_of(0.7))
    assert [table.name for table in tables] == names
    for table in tables:
        # nor is there a noise ceiling
        assert table.headings == ["dataset", *headings]
        assert len(table.rows) == 1
