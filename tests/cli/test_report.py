"""Reports as a user meets them: a real sweep, its report, and what happens when part of the sweep is gone."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas_exp.errors import InputError
from nas_exp.report.reading import read_sweep
from nas_exp.report.similarity import similarities
from nas_exp.scoring.compute import evaluate
from nas_exp.scoring.source import table_of
from tests.conftest import RunProgram
from tests.job_files import BASIC, only, rows
from tests.topology import SIZE, TOPOLOGY

SWEEP = ("+experiment=paper", "metric=val_acc,synflow", "algo.N=40", "runs=4")


@pytest.fixture(scope="module")
def finished(program_in: RunProgram, tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Path:
    """The folder from which a small sweep was run; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("sweep")
    done = program_in(folder, *SWEEP, "benchmark=table", f"benchmark.path={test_data / 'nb201'}", BASIC)
    assert done.returncode == 0, done.stderr
    return folder / "multirun_sweeps/paper"


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "multirun_sweeps/paper"))


@pytest.mark.slow
def test_a_report_has_the_papers_tables_and_figures(program: RunProgram, sweep: Path) -> None:
    done = program("task=report", "sweep=multirun_sweeps/paper", "task.findings=findings.md")
    assert done.returncode == 0, done.stderr
    report = sweep / "report"
    for number in (1, 3, 4, 5, 6):
        for suffix in ("csv", "md", "tex"):
            assert (report / f"table-{number}.{suffix}").stat().st_size > 100
    for name in ("figure-2", "equal-cost", "scores", "ceiling", "ranks"):
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (report / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("<table") == len(list(report.glob("*.csv")))
    assert page.count("<img") == len(list(report.glob("*.svg")))
    assert "task=report sweep=multirun_sweeps/paper" in page
    assert "+experiment=paper" in page
    assert "What is missing" not in page
    # no job has a budget in seconds
    assert not list(report.glob("equal-cost-*"))
    first = rows(report / "table-1.csv")[0]
    # the paper's Table I to two decimals
    assert round(float(first["val_acc: ours"]), 2) == float(first["val_acc: paper"]) == 0.81
    assert float(first["val_acc: ours_low"]) < float(first["val_acc: ours"]) < float(first["val_acc: ours_high"])
    with open(report / "table-3.csv", encoding="utf-8") as file:
        ours = next(csv.DictReader(file))
    summary = json.loads(only(sweep, "dataset=cifar10,metric=val_acc,algo=rs,*/summary.json").read_text())
    assert float(ours["Random search: test"]) == pytest.approx(summary["test_acc_mean"])
    findings = (sweep.parent.parent / "findings.md").read_text(encoding="utf-8")
    # one training-free metric alone is compared with no other
    assert [line for line in findings.splitlines() if line.startswith("## ")] == [
        "## What are the limitations of a standard NAS pipeline?",
        "## Do training-free searches find networks as good as searches that train every network?",
        "## Is there a combination of metric and algorithm that is better than the others on all datasets?",
        "## Where our numbers differ from the paper's, and why",
    ]
    # shorter searches are not compared with the paper's, correlations are
    assert (
        findings.strip().splitlines()[-1]
        == "- Of 12 rank correlations in Tables I and VI, 12 are within 0.01 of the paper's."
    )
    assert f"finds {float(summary['test_acc_mean']):.2f} [" in findings


@pytest.mark.slow
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


@pytest.mark.slow
def test_without_test_accuracy_the_report_is_about_validation(program: RunProgram, tmp_path: Path) -> None:
    done = program("+experiment=paper", "metric=val_acc,synflow", "dataset=cifar10", "algo.N=20", "runs=2", BASIC)
    assert done.returncode == 0, done.stderr
    done = program("task=report", "sweep=multirun_sweeps/paper")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "multirun_sweeps/paper/report/index.html").read_text(encoding="utf-8")
    assert "The benchmark has no test accuracy" in page
    assert "Left out by the sweep, 2 jobs" in page


@pytest.fixture
def relu_sweep(program: RunProgram, tmp_path: Path) -> Path:
    """A sweep of `relu` on small networks, and images that lie where the sweep has found them."""
    rng = np.random.default_rng(0)
    for name, classes, size in (("cifar10", 10, 32), ("imagenet16-120", 120, 16)):
        drawn = rng.integers(256, size=(40, size, size, 3)).astype(np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        np.savez(tmp_path / f"images/{name}.npz", images=drawn, labels=rng.integers(classes, size=40))
    small = ("network.C=4", "network.N=1", "metric.batch_size=12", "runs=1", "algo.N=4", "algo=rs")
    images = ("dataset=cifar10,imagenet16-120", "dataset.root=images", "name=relu")
    done = program("-m", "metric=relu", *images, *small, BASIC)
    assert done.returncode == 0, done.stderr
    return tmp_path / "multirun_sweeps/relu"


def test_similarity_matrices_are_those_of_the_relu_score(relu_sweep: Path) -> None:
    sweep = read_sweep(relu_sweep)
    found, absent = similarities(sweep, root=None, device="cpu")
    assert not absent
    for job in sweep.jobs:
        recipe = table_of(job.config).recipe
        assert recipe is not None
        shown = found[job.dataset]
        assert [each.accuracy for each in shown] == sorted(each.accuracy for each in shown)
        assert shown[-1].accuracy == sweep.trained(job).score.max()
        for each in shown:
            assert each.score == evaluate(recipe, each.arch_index)
            assert each.kernel.shape == (12, 12)
            assert (each.kernel.diagonal() == 1).all()
            assert each.kernel.min() >= 0


@pytest.mark.slow
def test_a_report_draws_similarity_matrices_or_says_why_not(program: RunProgram, relu_sweep: Path) -> None:
    assert program("task=report", "sweep=multirun_sweeps/relu").returncode == 0
    page = relu_sweep / "report/index.html"
    assert 'id="figure-similarity"' in page.read_text(encoding="utf-8")
    assert (relu_sweep / "report/similarity.png").stat().st_size > 1000
    (relu_sweep.parent.parent / "images/cifar10.npz").unlink()
    assert program("task=report", "sweep=multirun_sweeps/relu").returncode == 0
    told = page.read_text(encoding="utf-8")
    assert 'id="figure-similarity"' in told
    assert "K_H on CIFAR-10: " in told
    assert "K_H on ImageNet16-120" not in told
    shutil.rmtree(relu_sweep.parent.parent / "images")
    assert program("task=report", "sweep=multirun_sweeps/relu").returncode == 0
    told = page.read_text(encoding="utf-8")
    assert 'id="figure-similarity"' not in told
    assert "K_H on ImageNet16-120: dataset.root=null: similarity matrices need images" in told


@pytest.mark.slow
def test_an_ablation_names_its_best_setting(program: RunProgram, tmp_path: Path) -> None:
    done = program(
        "+experiment=ablation_rea", "metric=synflow", "dataset=cifar10,cifar100", "algo.N=30", "runs=3", BASIC
    )
    assert done.returncode == 0, done.stderr
    done = program("task=report", "sweep=multirun_sweeps/ablation_rea")
    assert done.returncode == 0, done.stderr
    table = rows(tmp_path / "multirun_sweeps/ablation_rea/report/ablation-rea.csv")
    assert [row["P, S"] for row in table] == ["(100, 2)", "(100, 50)", "(20, 20)", "(20, 10)", "(100, 25)", "(64, 16)"]
    assert "Best: (" in (tmp_path / "multirun_sweeps/ablation_rea/report/ablation-rea.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_searches_at_equal_cost_are_an_experiment_with_a_report(
    program: RunProgram, tmp_path: Path, tables: Path
) -> None:
    grid = ("+experiment=equal_cost", "dataset=cifar10,cifar100", "algo=rs,area,two_stage", "algo.seconds=300,900")
    table = ("benchmark=table", f"benchmark.path={tables}")
    done = program(*grid, *table, "algo.N=1000", "runs=4", BASIC)
    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "multirun_sweeps/equal_cost"
    results = rows(sweep / "results.csv")
    assert len(results) == 12
    assert {(row["metric"], row["algo"], row["proxy"], row["final"]) for row in results} == {
        ("val_acc", "rs", "", ""), ("val_acc", "area", "synflow", ""), ("synflow", "two_stage", "", "val_acc"),
    }  # fmt: skip
    done = program("task=report", f"sweep={sweep}", "task.findings=findings.md")
    assert done.returncode == 0, done.stderr
    report = sweep / "report"
    assert (report / "equal-cost.png").stat().st_size > 10_000
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("Searches at equal cost on ") == 4  # two tables, and two links to them
    assert "the largest counts here" in page
    assert not list(report.glob("ablation-*"))
    found = rows(report / "equal-cost-cifar10.csv")
    assert [row["seconds"] for row in found] == ["300"] * 3 + ["900"] * 3
    means = {
        (row["algo"].upper(), float(row["budget_seconds"])): float(row["test_acc_mean"])
        for row in results
        if row["dataset"] == "cifar10"
    }
    shown = {(row["search"].split(" + ")[1], float(row["seconds"])): float(row["accuracy"]) for row in found}
    assert shown == pytest.approx(means)
    for budget in (found[:3], found[3:]):
        accuracies = [float(row["accuracy"]) for row in budget]
        assert accuracies == sorted(accuracies, reverse=True)
        assert [bool(row["p (Holm)"]) for row in budget] == [False, True, True]
    findings = (tmp_path / "findings.md").read_text(encoding="utf-8")
    # no search has gone on as long as the paper's questions are about
    assert [line for line in findings.splitlines() if line.startswith("## ")] == [
        "## What do searches find at equal cost?"
    ]
    for row in found:
        at = f"CIFAR-10, {int(row['seconds'])} seconds: "
        (told,) = (line for line in findings.splitlines() if at in line)
        assert f"{row['search']} finds {float(row['accuracy']):.2f} [" in told or (
            f"{row['search']} {float(row['accuracy']):.2f}" in told
        )
    assert "as much as others find within 900 seconds" in findings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("task=report",), "sweep=null: expected the folder of a finished sweep"),
        (("task=report", "sweep=nowhere"), "sweep=nowhere: no such folder"),
        (("task=report", "sweep=."), "found no finished search; expected the folder of a finished sweep, as multirun_"),
    ],
)
def test_what_is_no_sweep_is_refused(program: RunProgram, arguments: tuple[str, ...], message: str) -> None:
    done = program(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_no_sweep_is_told_what_it_is(program: RunProgram, sweep: Path) -> None:
    job = next(sweep.glob("*/summary.json")).parent
    (sweep.parents[1] / "alone").mkdir()
    alone = Path(shutil.copytree(job, sweep.parents[1] / "alone/job"))
    for folder, told in (
        (sweep.parent, "it is the folder of several sweeps, expected one: paper"),
        (job, f"it is the folder of one job, expected sweep={sweep}"),
        (alone, "it is the folder of one job, expected that of a sweep"),
    ):
        with pytest.raises(InputError, match=f"found no finished search; {re.escape(told)}$"):
            read_sweep(folder)


def test_a_sweep_and_its_benchmark_may_have_moved(
    program: RunProgram, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tables, tmp_path / "tables")
    given = ("-m", "algo=rs,rea", "algo.N=5", "runs=2", "benchmark=table", "benchmark.path=tables", "name=a", BASIC)
    assert program(*given).returncode == 0
    before = {job.folder.name: job.config for job in read_sweep(tmp_path / "multirun_sweeps/a").jobs}
    new = tmp_path / "new"
    new.mkdir()
    for name in ("tables", "multirun_sweeps"):
        (tmp_path / name).rename(new / name)
    with pytest.raises(InputError, match=rf"benchmark.path={tmp_path}/tables: no such file or folder; give benchmark."):
        read_sweep(new / "multirun_sweeps/a")
    monkeypatch.chdir(new)  # a relative path leads somewhere from here
    here = read_sweep(Path("multirun_sweeps/a"))
    (new / "tables").rename(new / "other")
    there = read_sweep(Path("multirun_sweeps/a"), {"benchmark.path": new / "other"})
    for sweep, place in ((here, "tables"), (there, "other")):
        assert not sweep.missing
        assert [job.config.benchmark.path for job in sweep.jobs] == [new / place] * 2
        assert [job.config.hash for job in sweep.jobs] == [before[job.folder.name].hash for job in sweep.jobs]
    done = program("task=report", f"sweep={new}/multirun_sweeps/a", f"benchmark.path={new}/other", "name=report")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "outputs/report/summary.json").read_text())["missing"] == 0


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (0, "of 3 runs, 3 found a network with a finite score, and 0 one whose validation accuracy is known"),
        (1, "of 3 runs, 3 found a network with a finite score, and 3 one whose validation accuracy is known"),
    ],
)
def test_what_a_dash_means_is_told_in_counts(program: RunProgram, tmp_path: Path, known: int, told: str) -> None:
    names = [TOPOLOGY.spell(arch) for arch in range(SIZE)]
    lines = [f"{name},{50 + number % 7 if known else ''}" for number, name in enumerate(names)]
    (tmp_path / "cifar10.csv").write_text("\n".join(["arch_str,val_acc_200", *lines]), encoding="utf-8")
    table = ("benchmark=table", f"benchmark.path={tmp_path / 'cifar10.csv'}", "metric=one", "runs=3", "algo.N=5", BASIC)
    (tmp_path / "one.py").write_text("def one(network, batch):\n    return 1.0\n")
    (tmp_path / "conf/metric").mkdir(parents=True)
    (tmp_path / "conf/metric/one.yaml").write_text(
        "# One.\nname: one\n_target_: one.one\ninput: ones\nnetwork: counts\nbatch_size: null\n"
        "dtype: float32\nseed: 0\nversion: 1\n"
    )
    own = ("--config-dir", "conf")
    assert program(*own, "task=score", "metric=one", PYTHONPATH=str(tmp_path)).returncode == 0
    done = program(*own, "-m", "algo=rs", *table, "name=a", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    done = program(*own, "task=report", "sweep=multirun_sweeps/a", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "multirun_sweeps/a/report/index.html").read_text(encoding="utf-8")
    assert (told in page) == (not known)
    ranked = (
        "15,625 of 15,625 architectures have a finite score; they have 1 different scores and 7 different accuracies"
    )
    assert (f"How one ranks CIFAR-10: not known: {ranked}" in page) == bool(known)
