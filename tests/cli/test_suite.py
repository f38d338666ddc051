"""`metric=suite`: many metrics' tables filled at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nas_exp.storage.parquet import read_columns
from tests.conftest import RunProgram
from tests.job_files import SMALL, only

MEMBERS = ("relu", "naswot", "grad_norm", "fisher", "jacob_cov", "zico", "synflow", "l2_norm")
"""Two of one table, two of one pass, one of which asks it for more, and one of each other kind."""

ARCHS = [9, 2578, 2583, 4112, 11953, 12556]  # the second, third and fifth are one network but for their dead ReLUs


class Score:
    """Scores with a folder of tables of its own, and returns the summary."""

    def __init__(self, program: RunProgram, folder: Path) -> None:
        self.program, self.folder, self.jobs = program, folder, 0

    def __call__(self, data: str, *arguments: str, archs: list[int] = ARCHS) -> Mapping[str, Any]:
        self.jobs += 1
        done = self.program(
            "task=score", f"task.archs={archs}".replace(" ", ""), f"dataset.root={self.folder}", "metric.batch_size=8",
            f"name={self.jobs}", *SMALL, *arguments, NAS_EXP_DATA=str(self.folder / data),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        summary: dict[str, Any] = json.loads((self.folder / f"outputs/{self.jobs}/summary.json").read_text())
        return summary

    def tables(self, data: str) -> dict[str, dict[int, float]]:
        found = {}
        for part in (self.folder / data / "scores/cifar10").glob("*/part-*"):
            columns = read_columns(part, ("arch_index", "score"))
            assert part.parent.name not in found
            found[part.parent.name] = dict(zip(columns["arch_index"].tolist(), columns["score"].tolist(), strict=True))
        return found


@pytest.fixture
def score(program: RunProgram, drawn_images: Path) -> Score:
    return Score(program, drawn_images)


@pytest.mark.slow
def test_fills_the_tables_that_its_members_fill_alone(score: Score) -> None:
    summary = score("together", "metric=suite", f"metric.members=[{','.join(MEMBERS)}]")
    for metric in MEMBERS:
        score("alone", f"metric={metric}")
    together, alone = score.tables("together"), score.tables("alone")
    assert together.keys() == alone.keys()
    assert len(alone) == len(MEMBERS) - 1  # relu and naswot have one
    for name, expected in alone.items():
        assert together[name] == pytest.approx(expected, rel=1e-6, nan_ok=True), name
    assert summary["computed"] == len(alone) * len(ARCHS)
    described = [
        only(score.folder / data / "scores/cifar10", "zico-*/_table.json").read_bytes()
        for data in ("together", "alone")
    ]
    assert described[0] == described[1]


@pytest.mark.slow
def test_computes_only_what_each_member_lacks(score: Score) -> None:
    score("data", "metric=snip")
    score("data", "metric=zico", archs=ARCHS[:3])
    summary = score("data", "metric=suite", "metric.members=[snip,zico,jacob_cov]")
    assert summary["computed"] == 0 + (len(ARCHS) - 3) + len(ARCHS)
    assert summary["scored"] == 3 * len(ARCHS)
    assert score("data", "metric=suite", "metric.members=[snip,zico,jacob_cov]")["computed"] == 0


@pytest.mark.slow
def test_does_not_depend_on_processes_or_shards(score: Score) -> None:
    members = ("metric=suite", "metric.members=[relu,snip,epe_nas,l2_norm]")
    score("one", *members)
    score("two", *members, "n_jobs=2")
    computed = [score("shards", *members, f"task.shard={n}", "task.shards=2")["computed"] for n in (1, 0)]
    assert sum(computed) == 4 * len(ARCHS)
    for other in (score.tables("two"), score.tables("shards")):
        assert other.keys() == score.tables("one").keys()
        for name, expected in score.tables("one").items():
            assert other[name] == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.slow
def test_members_keep_their_own_batch_sizes_unless_one_is_given(score: Score) -> None:
    score("data", "metric=suite", "metric.members=[snip,zico]", "metric.batch_size=24")
    described = only(score.folder / "data/scores/cifar10", "zico-*/_table.json")
    assert json.loads(described.read_text())["batch_size"] == 24
    done = score.program(
        "task=score", "metric=suite", "metric.members=[snip]", "task.limit=1", f"dataset.root={score.folder}"
    )
    assert done.returncode == 2
    assert "holds 24 images, expected 64 for one mini-batch" in done.stderr


def test_shipped_tables_need_no_images(program: RunProgram, tmp_path: Path) -> None:
    done = program("task=score", "metric=suite", "metric.members=[relu,synflow]", "task.archs=[9,15000]", "name=s")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "outputs/s/summary.json").read_text())["scored"] == 4
    done = program("task=score", "metric=suite", "metric.members=[snip]", "metric.batch_size=8", "task.archs=[9]")
    assert done.returncode == 2
    assert "dataset.root=null: metric=snip needs images of cifar10" in done.stderr


@pytest.mark.slow
def test_stands_for_one_metric_nowhere_else(program: RunProgram) -> None:
    for task in ("search", "verify", "correlate"):
        done = program(f"task={task}", "metric=suite")
        assert done.returncode == 2
        assert done.stderr == (
            "error: metric=suite: stands for several metrics and gives no scores of its own; expected one of them, "
            "as metric=relu\n"
        )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("[magic]", "metric.members: magic is not a metric; the choices are "),
        ("[suite]", "metric.members: suite is not computed from a network"),
        ("[val_acc]", "metric.members: val_acc is not computed from a network"),
        ("[]", "metric.members=[]: expected at least one metric"),
        ("snip", "metric.members=snip: expected a list"),
    ],
)
def test_members_that_cannot_be_are_named(program: RunProgram, members: str, message: str) -> None:
    done = program("task=score", "metric=suite", f"metric.members={members}", "task.limit=1")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
