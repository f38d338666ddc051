import numpy as np

from nas_exp.analysis.comparisons import ranks_over_datasets
from nas_exp.report.search_tables import rank_table


def test_searches_that_all_find_the_same_are_ranked_without_friedmans_test() -> None:
    table = rank_table(ranks_over_datasets(np.full((3, 4), 90.0), ["a", "b", "c", "d"]))
    assert [row[0] for row in table.rows] == ["a", "b", "c", "d"]
    assert table.note.startswith("Average ranks that differ")


def test_the_rank_table_is_in_the_order_of_ranks() -> None:
    results = np.array([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [2.0, 3.0, 1.0]])
    table = rank_table(ranks_over_datasets(results, ["a", "b", "c"]))
    assert [row[0] for row in table.rows] == ["b", "c", "a"]
    assert table.rows[0][2] is None
    assert table.note.startswith("Friedman: χ² = ")
