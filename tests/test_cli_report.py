"""Reports as a user meets them: a real sweep, its report, and what happens when part of the sweep is gone."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunProgram
from tests.job_files import only, rows

SWEEP = ("+experiment=paper", "metric=val_acc,synflow", "algo.N=40", "runs=4")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Path:
    """The folder from which a small sweep was run; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("sweep")
    table = ("benchmark=table", f"benchmark.path={test_data / 'nb201'}")
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *SWEEP, *table],
        cwd=folder,
        env={**os.environ, "NAS_EXP_DATA": str(folder / "data")},
        check=True,
        capture_output=True,
    )
    return folder / "multirun_sweeps/paper"


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "multirun_sweeps/paper"))


def test_a_report_has_the_papers_tables_and_figures(program: RunProgram, sweep: Path) -> None:
    done = program("task=report", "sweep=multirun_sweeps/paper", "task.findings=findings.md")
    assert done.returncode == 0, done.stderr
    report = sweep / "report"
    for number in (1, 3, 4, 5, 6):
        for suffix in ("csv", "md", "tex"):
            assert (report / f"table-{number}.{suffix}").stat().st_size > 100
    for name in ("figure-2", "scores", "ceiling", "ranks"):
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (report / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("<table") == len(list(report.glob("*.csv")))
    assert page.count("<img") == len(list(report.glob("*.svg")))
    assert "task=report sweep=multirun_sweeps/paper" in page
    assert "+experiment=paper" in page
    assert "What is missing" not in page
    first = rows(report / "table-1.csv")[0]
    # the paper's Table I to two decimals
    assert round(float(first["val_acc: ours"]), 2) == float(first["val_acc: paper"]) == 0.81
    assert float(first["val_acc: ours_low"]) < float(first["val_acc: ours"]) < float(first["val_acc: ours_high"])
    with open(report / "table-3.csv", encoding="utf-8") as file:
        ours = next(csv.DictReader(file))
    summary = json.loads(only(sweep, "dataset=cifar10,metric=val_acc,algo=rs,*/summary.json").read_text())
    assert float(ours["Random search: test"]) == pytest.approx(summary["test_acc_mean"])
    findings = (sweep.parent.parent / "findings.md").read_text(encoding="utf-8")
    # one training-free metric alone is compared with no other, and shorter searches not with the paper's
    assert [line for line in findings.splitlines() if line.startswith("## ")] == [
        "## What are the limitations of a standard NAS pipeline?",
        "## Do training-free searches find networks as good as searches that train every network?",
        "## Is there a combination of metric and algorithm that is better than the others on all datasets?",
    ]
    assert f"finds {float(summary['test_acc_mean']):.2f} [" in findings


def test_what_is_missing_is_told_and_the_rest_reported(program: RunProgram, sweep: Path) -> None:
    gone, cut = sorted(path.parent for path in sweep.glob("*/summary.json"))[:2]
    shutil.rmtree(gone)
    (cut / "summary.json").write_text('{"task": "sea', encoding="utf-8")
    done = program("task=report", "sweep=multirun_sweeps/paper", "name=report")
    assert done.returncode == 0, done.stderr
    page = (sweep / "report/index.html").read_text(encoding="utf-8")
    assert "What is missing" in page
    for job in (gone, cut):
        assert f"missing: {job.name}" in done.stdout
        assert job.name in page
    assert json.loads((sweep.parent.parent / "outputs/report/summary.json").read_text())["missing"] == 2


def test_without_test_accuracy_the_report_is_about_validation(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=paper", "metric=val_acc,synflow", "dataset=cifar10", "algo.N=20", "runs=2")
    assert done.returncode == 0, done.stderr
    done = program("task=report", "sweep=multirun_sweeps/paper")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "multirun_sweeps/paper/report/index.html").read_text(encoding="utf-8")
    assert "The benchmark has no test accuracy" in page
    assert "Left out by the sweep, 2 jobs" in page


def test_an_ablation_names_its_best_setting(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=ablation_rea", "metric=synflow", "dataset=cifar10,cifar100", "algo.N=30", "runs=3")
    assert done.returncode == 0, done.stderr
    done = program("task=report", "sweep=multirun_sweeps/ablation_rea")
    assert done.returncode == 0, done.stderr
    table = rows(tmp_path / "multirun_sweeps/ablation_rea/report/ablation-rea.csv")
    assert [row["P, S"] for row in table] == ["(100, 2)", "(100, 50)", "(20, 20)", "(20, 10)", "(100, 25)", "(64, 16)"]
    assert "Best: (" in (tmp_path / "multirun_sweeps/ablation_rea/report/ablation-rea.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("task=report",), "sweep=null: expected the folder of a finished sweep"),
        (("task=report", "sweep=nowhere"), "sweep=nowhere: no such folder"),
        (("task=report", "sweep=."), "found no finished search"),
    ],
)
def test_what_is_no_sweep_is_refused(program: RunProgram, arguments: tuple[str, ...], message: str) -> None:
    done = program(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
