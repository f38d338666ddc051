"""`metric=ensemble` and `metric.repeats`, as a user meets them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_exp.benchmarks.bundled import load
from nas_exp.scoring.table import SHIPPED
from nas_exp.storage.parquet import read_columns
from tests.conftest import RunProgram
from tests.job_files import BASIC, SMALL, only, rows
from tests.topology import TOPOLOGY

MEMBERS = "metric.members=[relu,synflow]"


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def test_an_ensemble_ranks_the_table_by_its_members_ranks(program: RunProgram, tmp_path: Path) -> None:
    done = program("task=correlate", "metric=ensemble", MEMBERS, "name=a")
    assert done.returncode == 0, done.stderr
    summary = summary_of(tmp_path / "outputs/a")
    scores = []
    for metric in ("relu", "synflow"):
        part = read_columns(only(SHIPPED, f"cifar10/{metric}-*/part-*"), ("arch_index", "score"))
        assert part["arch_index"].tolist() == list(range(len(part["score"])))
        scores.append(part["score"])
    usable = np.isfinite(np.asarray(scores)).all(axis=0)
    assert 0 < np.count_nonzero(~usable) < 1000
    logs = np.log([stats.rankdata(each[usable]) for each in scores]).sum(0)
    found = np.full(usable.size, -np.inf)  # what has no score comes last
    found[usable] = logs
    accuracy = load("cifar10", space=TOPOLOGY, path=None, store=tmp_path).columns["val_acc"]
    assert summary["metric"] == "relu+synflow"
    expected = stats.spearmanr(found, accuracy).statistic
    assert summary["rho_val_acc"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_rules_have_names_of_their_own_in_a_sweep(program: RunProgram, tmp_path: Path) -> None:
    done = program(
        "-m", "task=correlate", "metric=ensemble", MEMBERS, "metric.rule=log_rank,rank,z_score", "name=s",
        BASIC,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "multirun_sweeps/s/results.csv")
    assert [row["metric"] for row in found] == ["relu+synflow", "rank(relu+synflow)", "z_score(relu+synflow)"]
    assert len({row["rho_val_acc"] for row in found}) == 3


@pytest.mark.slow
def test_searches_go_by_ensembles_and_are_reported(program: RunProgram, tmp_path: Path) -> None:
    job = ("metric=ensemble", MEMBERS, "algo=rs,rea", "algo.N=50", "runs=4", "name=s", BASIC)
    done = program("-m", *job)
    assert done.returncode == 0, done.stderr
    kept = only(tmp_path, "multirun_sweeps/s/*ensemble*rea*/.hydra/config.yaml").read_text()
    assert "nas_exp.metrics.relu.relu" in kept
    done = program("task=report", "sweep=multirun_sweeps/s", "name=r")
    assert done.returncode == 0, done.stderr
    assert "relu+synflow" in (tmp_path / "multirun_sweeps/s/report/index.html").read_text()


def test_an_ensemble_decides_among_the_best_of_another_metric(program: RunProgram, tmp_path: Path) -> None:
    final = ("algo=two_stage", "metric@algo.final=ensemble", "algo.final.members=[relu,grad_norm]")
    done = program("metric=synflow", *final, "algo.N=50", "algo.k=10", "runs=2", "name=a")
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "outputs/a")["final"] == "relu+grad_norm"


@pytest.mark.slow
def test_repeats_are_the_mean_over_seeds(program: RunProgram, tmp_path: Path) -> None:
    archs = ("task=score", "task.archs=[9,2578,12556]", "metric=log_synflow", *SMALL)
    done = program(*archs, "metric.repeats=3", "metric.seed=5", "name=together")
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "outputs/together")["computed"] == 9
    by_seed = {}
    for seed in (5, 6, 7):
        done = program(*archs, f"metric.seed={seed}", f"name={seed}")
        assert done.returncode == 0, done.stderr
        summary = summary_of(tmp_path / f"outputs/{seed}")
        assert summary["computed"] == 0
        by_seed[seed] = read_columns(only(Path(summary["table"]), "part-*"), ("score",))["score"]
    assert len({tuple(scores) for scores in by_seed.values()}) == 3
    repeated = ("metric=log_synflow", "metric.repeats=3", "metric.seed=5")
    done = program(*repeated, "algo=rs", "algo.N=40", "runs=1", "name=a", *SMALL)
    assert done.returncode == 0, done.stderr
    assert summary_of(tmp_path / "outputs/a")["metric"] == "log_synflow_x3"
    found = read_columns(only(tmp_path, "outputs/a/trajectory.parquet"), ("arch_index", "score"))
    tables = [
        dict(zip(*read_columns(part, ("arch_index", "score")).values(), strict=True))
        for part in tmp_path.glob("data/scores/cifar10/log_synflow-*/part-*")
    ]
    assert len(tables) == 3
    expected = [np.mean([table[arch] for table in tables]) for arch in found["arch_index"]]
    assert found["score"] == pytest.approx(np.where(np.isfinite(expected), expected, np.nan), nan_ok=True)


def test_members_are_repeated_and_share_seeds_and_batches(program: RunProgram, tmp_path: Path) -> None:
    done = program(
        "task=score", "task.archs=[9]", "metric=ensemble", "metric.members=[synflow,log_synflow]", "metric.repeats=2",
        "metric.seed=3", "name=a", *SMALL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    described = [json.loads(path.read_text()) for path in tmp_path.glob("data/scores/cifar10/*/_table.json")]
    assert sorted((it["metric"], it["seed"]) for it in described) == [
        ("log_synflow", 3), ("log_synflow", 4), ("synflow", 3), ("synflow", 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metric=ensemble", "metric.rule=sum"), "metric.rule=sum: expected log_rank, rank, z_score or mean"),
        (("metric=ensemble", "metric.members=[magic]"), "metric.members: magic is not a metric; the choices are "),
        (("metric=ensemble", "metric.members=[]"), "metric.members=[]: expected at least one metric"),
        (("metric=ensemble", "metric.members=[val_acc]"), "metric.members: val_acc is not computed from a network"),
        (("metric=synflow", "metric.repeats=1000000000"), "metric.repeats=1000000000: expected at most 1,000"),
        (("metric=synflow", "metric.repeats=0"), "metric.repeats=0: expected at least 1"),
        (("metric=synflow", "metric.repeats=many"), "metric.repeats=many: expected "),
        (("metric.repeats=${nothing}",), "metric.repeats: Interpolation key 'nothing' not found"),
        (
            ("metric=ensemble", "metric.members=[${nothing}]"),
            "metric.members[0]: Interpolation key 'nothing' not found",
        ),
        (("metric=ensemble", "metric.repeats=0"), "metric.repeats=0: expected at least 1"),
        (("metric=synflow", "metric.repeats=2", "metric.seed=x"), "metric.seed=x: expected "),
        (("metric=suite",), "metric=suite: stands for several metrics and gives no scores of its own"),
        (("metric=ensemble", "task=verify"), "metric=jacob_cov+log_synflow: stands for several metrics"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(program: RunProgram, arguments: tuple[str, ...], message: str) -> None:
    done = program(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_combinations_of_members_are_listed_best_first(program: RunProgram, tmp_path: Path) -> None:
    job = ("task=combine", "metric=ensemble", "metric.members=[relu,synflow,grad_norm]")
    done = program(*job, "task.size=2", "name=a")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "outputs/a/combinations.csv")
    assert sorted(row["members"] for row in found) == [
        "grad_norm", "relu", "relu+grad_norm", "relu+synflow", "synflow", "synflow+grad_norm"
    ]  # fmt: skip
    values = [float(row["rho_val_acc"]) for row in found]
    assert values == sorted(values, reverse=True)
    summary = summary_of(tmp_path / "outputs/a")
    assert (summary["best"], summary["rho_val_acc"]) == (found[0]["members"], values[0])
    done = program("task=correlate", "metric=ensemble", MEMBERS, "name=b")
    assert done.returncode == 0, done.stderr
    both = summary_of(tmp_path / "outputs/b")
    row = next(row for row in found if row["members"] == "relu+synflow")
    assert float(row["rho_val_acc"]) == pytest.approx(both["rho_val_acc"], abs=1e-12)
    seconds = {row["members"]: float(row["seconds"]) for row in found}
    assert seconds["relu+synflow"] == pytest.approx(seconds["relu"] + seconds["synflow"])


@pytest.mark.slow
def test_what_cannot_be_combined_is_told_in_a_line(program: RunProgram) -> None:
    for arguments, message in (
        (("metric=relu",), "metric=relu: has no members to combine; expected metric=ensemble"),
        (("metric=relu", "metric.repeats=2"), "metric=relu_x2: is one metric, of several seeds; expected "),
        (("metric=suite",), "metric=suite: stands for several metrics"),
        (("metric=ensemble", MEMBERS, "task.accuracy=test_acc"), "task.accuracy=test_acc: benchmark=bundled has none"),
        (("metric=ensemble", MEMBERS, "network.C=4", "dataset.root=null"), "dataset.root=null: metric=relu needs"),
        (("metric=ensemble", "metric.members=[synflow]", "network.C=4"), "metric.members: no score of synflow"),
    ):
        done = program("task=combine", *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {message}")
        assert done.stderr.count("\n") == 1
