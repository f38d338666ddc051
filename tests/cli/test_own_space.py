"""A search space of one's own: one Python class, one YAML, and everything works with it."""

import json
from pathlib import Path

import pytest

from tests.conftest import RunProgram
from tests.job_files import BASIC, only, rows

MODULE = """
from typing import Annotated

from torch import nn

from nas_exp.bounds import AtLeast
from nas_exp.spaces.space import Space


class Stack(Space):
    choices = (("8", "16"), ("3", "5"), ("relu", "tanh"))

    def __init__(self, *, depth: Annotated[int, AtLeast(1)]):
        self.depth = depth

    def build(self, options, dataset):
        width, kernel, kind = int(options[0]), int(options[1]), options[2]
        layers, channels = [], 3
        for _ in range(self.depth):
            layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width)]
            layers += [nn.ReLU() if kind == "relu" else nn.Tanh()]
            channels = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, dataset.num_classes))
"""
NAMES = [f"{width},{kernel},{kind}" for width in (8, 16) for kernel in (3, 5) for kind in ("relu", "tanh")]


@pytest.fixture
def mine(tmp_path: Path, drawn_images: Path) -> list[str]:
    """The arguments that choose the space, its benchmark and images."""
    (tmp_path / "my_spaces.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "mine/space").mkdir(parents=True)
    yaml = "# A stack of layers.\nname: stack\n_target_: my_spaces.Stack\ndepth: 2\n"
    (tmp_path / "mine/space/stack.yaml").write_text(yaml, encoding="utf-8")
    lines = [f'"{name}",{50 + number},{40 + number}' for number, name in enumerate(NAMES)]
    (tmp_path / "cifar10.csv").write_text("\n".join(["arch_str,val_acc,test_acc", *lines]), encoding="utf-8")
    return [
        "--config-dir", str(tmp_path / "mine"), "space=stack", "benchmark=table",
        f"benchmark.path={tmp_path / 'cifar10.csv'}", f"dataset.root={drawn_images}", "metric.batch_size=8",
        "metric.network=modules",
    ]  # fmt: skip


def test_scores_searches_and_reports_work_in_a_space_of_ones_own(
    program: RunProgram, tmp_path: Path, mine: list[str]
) -> None:
    def run(*arguments: str) -> str:
        done = program(*mine, *arguments, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("task=score", "metric=grad_norm", "name=first")
    run("task=score", "metric=grad_norm", "name=again")
    summaries = [json.loads((tmp_path / f"outputs/{name}/summary.json").read_text()) for name in ("first", "again")]
    assert [summary["computed"] for summary in summaries] == [8, 0]
    identity = json.loads(only(tmp_path / "data/scores/cifar10", "grad_norm-*/_table.json").read_text())
    assert identity["space"] == "stack"
    assert identity["network"] == {"_target_": "my_spaces.Stack", "depth": 2}

    run("-m", "metric=synflow,grad_norm", "algo=rs,ls", "algo.N=6", "runs=3", "name=sweep", BASIC)
    found = rows(only(tmp_path / "multirun_sweeps/sweep", "*metric=synflow*algo=ls*/runs.csv"))
    assert all(row["arch_str"] in NAMES for row in found)
    assert all(float(row["val_acc"]) == 50 + NAMES.index(row["arch_str"]) for row in found)
    run("algo=rea", "algo.N=5", "algo.P=3", "algo.S=2", "runs=2")
    run("task=correlate", "metric=synflow", "name=ranks")
    ranks = json.loads((tmp_path / "outputs/ranks/summary.json").read_text())
    assert ranks["architectures"] == 8
    run("task=report", "sweep=multirun_sweeps/sweep")
    report = tmp_path / "multirun_sweeps/sweep/report"
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "after training" in page
    assert "200 epochs" not in page
    assert "source" not in rows(next(report.glob("searches-*.csv")))[0]
    assert "twins" not in page


def test_a_metric_that_needs_another_form_is_told_in_a_line(
    program: RunProgram, tmp_path: Path, mine: list[str]
) -> None:
    done = program(*mine, "task=score", "metric=zen", "metric.network=live_cells", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: metric.network=live_cells: nas_exp.metrics.zen.zen needs it; space=stack has none"
    )


def test_parameters_of_a_space_are_checked(program: RunProgram, tmp_path: Path, mine: list[str]) -> None:
    for value, told in (
        ("space.depth=0", "space.depth=0: expected at least 1"),
        ("network.C=4", "network.C: unknown key; the choices are none"),
    ):
        done = program(*mine, value, PYTHONPATH=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr == f"error: {told}\n"
