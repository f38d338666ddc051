from nas_exp.report.trajectory import held


def test_runs_that_end_early_keep_their_last_step() -> None:
    assert held([3, 1, 2]).tolist() == [[0, 1, 2], [0, 0, 0], [0, 1, 1]]
