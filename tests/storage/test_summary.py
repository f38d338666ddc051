from pathlib import Path

import pytest

from nas_exp.storage.damage import DamagedError
from nas_exp.storage.summary import State, read_error, read_summary, read_whole_summary, state, write_summary


@pytest.mark.parametrize("name", ["summary.json", "runs.csv", "trajectory.parquet", ".hydra/config.yaml"])
def test_a_summary_vouches_for_the_files_of_its_result(tmp_path: Path, name: str) -> None:
    (tmp_path / ".hydra").mkdir()
    for file in ("runs.csv", "trajectory.parquet", ".hydra/config.yaml"):
        (tmp_path / file).write_text("some text")
    write_summary(tmp_path, {"config_hash": "abc", "val_acc_mean": 90.5, "test_acc_mean": None})
    assert read_summary(tmp_path) == {"config_hash": "abc", "val_acc_mean": 90.5, "test_acc_mean": None}
    assert state(tmp_path, "abc") is State.DONE
    assert state(tmp_path, "abd") is State.OTHER
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("e", "f", 1))
    assert read_summary(tmp_path) is None
    with pytest.raises(DamagedError, match=name):
        read_whole_summary(tmp_path)
    assert state(tmp_path, "abc") is State.LEFT


def test_the_last_line_of_an_error_is_its_reason(tmp_path: Path) -> None:
    assert (read_error(tmp_path), state(tmp_path, "abc")) == (None, State.LEFT)
    (tmp_path / "error.txt").write_text("Traceback\n  ...\nValueError: why\n")
    assert (read_error(tmp_path), state(tmp_path, "abc")) == ("ValueError: why", State.FAILED)


@pytest.mark.parametrize(
    ("said", "says", "expected"),
    [
        ("a", "a", State.DONE),
        ("a", "b", State.OTHER),
        ("a", None, State.DONE),  # what cannot be read says nothing
        (None, "b", State.DONE),  # as of older results, and of jobs that asked no benchmark
    ],
)
def test_a_result_is_of_what_the_benchmark_said(
    said: str | None, says: str | None, expected: State, tmp_path: Path
) -> None:
    write_summary(tmp_path, {"config_hash": "abc", **({} if said is None else {"benchmark_digest": said})})
    assert state(tmp_path, "abc", lambda: says) is expected
    assert state(tmp_path, "abd", lambda: says) is State.OTHER
    assert state(tmp_path, "abc") is State.DONE
