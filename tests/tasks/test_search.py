"""What task=search says of what it cannot tell."""

import csv
import logging
from pathlib import Path

import pytest

from nas_exp.notebook import configure
from nas_exp.tasks.search import run
from tests.topology import str_of_index


def test_an_unknown_mean_is_explained_by_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f"{str_of_index(arch)},{50 + arch % 7}\n" for arch in range(0, 15_625, 2))
    (tmp_path / "cifar10.csv").write_text("arch_str,val_acc_200\n" + rows)
    caplog.set_level(logging.INFO)
    config = configure("algo=rs", "algo.N=1", "runs=20", "benchmark=table", f"benchmark.path={tmp_path}")
    summary = run(config, tmp_path)
    assert summary["val_acc_mean"] is None
    with open(tmp_path / "runs.csv", encoding="utf-8", newline="") as file:
        lacking = sum(row["val_acc"] == "" for row in csv.DictReader(file))
    (message,) = caplog.messages
    assert "of 20 runs, 0 found no network with a finite score" in message
    assert f"benchmark=table lacks the validation accuracy of {lacking}: a mean" in message
    assert 0 < lacking < 20
