"""How well metrics rank, as a user meets it: a sweep of task=correlate on made-up scores, and its report."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nas_exp.analysis.ranking import kendall_interval, ndcg_interval, ranking_quality, spearman_interval
from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import table
from nas_exp.notebook import configure
from nas_exp.report.proxies import rank_metrics
from nas_exp.report.reading import read_sweep
from nas_exp.scoring.source import table_of
from nas_exp.scoring.table import SHIPPED, Row
from tests.conftest import RunProgram
from tests.job_files import BASIC, only, rows
from tests.topology import SIZE, TOPOLOGY

pytestmark = pytest.mark.slow

OTHER = "seed=7"
"""Not the seed of the scores that ship, so that there are none but those made up here."""

METRICS = {"zen": (0.5, 0.2), "synflow_bn": (2.0, 1e-4), "l2_norm": (8.0, 0.02)}
"""Those that have made-up scores: by how much noise, in deviations of the accuracy, and the seconds of one."""


def made_up(dataset: str, metric: str, accuracy: FloatArray) -> FloatArray:
    rng = np.random.default_rng([len(dataset), *metric.encode()])
    return accuracy + METRICS[metric][0] * accuracy.std() * rng.normal(size=len(accuracy))


def fill(data: Path, dataset: str, metric: str, score: FloatArray, *, known: int = SIZE) -> None:
    """Write the score table of a metric as far as `known`; each score took a bit longer than the one before."""
    to_fill = table_of(configure(f"dataset={dataset}", f"metric={metric}", OTHER, f"paths.data={data}"))
    to_fill.prepare()
    seconds = METRICS[metric][1] * np.linspace(0.5, 1.5, known)
    to_fill.add([Row(*row) for row in zip(range(known), score.tolist(), seconds.tolist(), strict=False)])


@pytest.fixture(scope="module")
def data(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tables: all made-up scores on cifar10, on cifar100 those of a third of the space by one metric."""
    folder = tmp_path_factory.mktemp("data")
    for metric in METRICS:
        fill(folder, "cifar10", metric, made_up("cifar10", metric, accuracy_of(tables, "cifar10")))
    fill(folder, "cifar100", "zen", made_up("cifar100", "zen", accuracy_of(tables, "cifar100")), known=5000)
    return folder


def accuracy_of(tables: Path, dataset: str) -> FloatArray:
    return table.load(dataset, space=TOPOLOGY, path=tables, store=tables / "store").columns["test_acc"]


SWEEP = ("-m", "+experiment=proxies", "metric=synflow_bn,zen,l2_norm,snip", OTHER, "dataset=cifar10,cifar100")


@pytest.fixture(scope="module")
def finished(
    program_in: RunProgram, tables: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder of a sweep, to be copied, not changed; and what it told."""
    folder = tmp_path_factory.mktemp("sweep")
    done = program_in(folder, *SWEEP, BASIC, "benchmark=table", f"benchmark.path={tables}", f"paths.data={data}")
    assert done.returncode == 0, done.stderr
    return folder / "multirun_sweeps/proxies", done.stdout


@pytest.fixture
def sweep(finished: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "multirun_sweeps/proxies"))


def test_a_sweep_tells_how_well_each_metric_ranks(finished: tuple[Path, str], tables: Path) -> None:
    results = {(row["dataset"], row["metric"]): row for row in rows(finished[0] / "results.csv")}
    assert list(results) == [*(("cifar10", metric) for metric in ("synflow_bn", "zen", "l2_norm")), ("cifar100", "zen")]
    for (dataset, metric), row in results.items():
        known = 5000 if dataset == "cifar100" else SIZE
        accuracy = accuracy_of(tables, dataset)
        score = made_up(dataset, metric, accuracy)[:known]
        accuracy = accuracy[:known]
        assert int(row["architectures"]) == known
        assert float(row["rho_test_acc"]) == pytest.approx(stats.spearmanr(score, accuracy).statistic)
        assert float(row["tau_test_acc"]) == pytest.approx(stats.kendalltau(score, accuracy).statistic)
        best = np.argsort(-score)[: round(known / 10)]
        assert float(row["rho_top_test_acc"]) == pytest.approx(stats.spearmanr(score[best], accuracy[best]).statistic)
        assert float(row["regret_test_acc"]) == pytest.approx(accuracy.max() - accuracy[score.argmax()])
        hundred = set(np.argsort(-score)[:100])
        assert float(row["precision_100_test_acc"]) == len(hundred & set(np.argsort(-accuracy)[:100])) / 100
        assert float(row["ndcg_100_test_acc"]) == ranking_quality(score, accuracy).ndcg[100].value
        assert float(row["seconds_per_network"]) == pytest.approx(METRICS[metric][1], rel=1e-6)
        for name, interval in (
            ("rho", spearman_interval(score, accuracy)),
            ("tau", kendall_interval(score, accuracy)),
            ("rho_top", spearman_interval(score, accuracy, top=0.1)),
            ("ndcg_100", ndcg_interval(score, accuracy)),
        ):
            bounds = [float(row[f"{name}_test_acc_{side}"]) for side in ("low", "high")]
            assert bounds == pytest.approx([interval.low, interval.high])


def test_a_sweep_names_in_one_line_what_has_no_scores(finished: tuple[Path, str]) -> None:
    told = [line.partition("left out: ")[2] for line in finished[1].splitlines() if "left out" in line]
    assert told == [
        "dataset.root=null: no shipped table, and images say which other; expected the folder that holds them: "
        "dataset=cifar10,metric=snip,seed=7,benchmark=table; dataset=cifar100,metric=snip,seed=7,benchmark=table",
        "no scores yet; task=score computes them: "
        "dataset=cifar100,metric=synflow_bn,seed=7,benchmark=table; "
        "dataset=cifar100,metric=l2_norm,seed=7,benchmark=table",
    ]


def test_without_scores_a_job_of_its_own_is_refused_in_one_line(program: RunProgram) -> None:
    done = program("task=correlate", "metric=zen", OTHER)
    assert done.returncode == 2
    assert done.stderr == (
        "error: metric=zen: no architecture has both a score and an accuracy; run task=score first\n"
    )


def test_without_test_accuracy_the_statistics_are_of_validation(program: RunProgram, tmp_path: Path) -> None:
    done = program("task=correlate", "name=bundled")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/bundled/summary.json").read_text())
    assert summary["rho_test_acc"] is None
    assert summary["rho_val_acc_low"] < summary["rho_val_acc"] < summary["rho_val_acc_high"]
    assert 0 < summary["regret_val_acc"] < 10
    assert not [key for key in summary if "test_acc" in key and summary[key] is not None]


def test_every_metric_that_has_scores_is_swept(program: RunProgram) -> None:
    done = program("-m", "+experiment=proxies", "dataset=cifar10", "dry_run=true")
    assert done.returncode == 0, done.stderr
    shipped = {json.loads(path.read_text())["metric"] for path in SHIPPED.glob("cifar10/*/_table.json")}
    swept = shipped | {"ensemble", "az_nas", "septet"}
    for metric in swept:
        assert re.search(rf"metric={metric}\b", done.stdout), metric
    assert f": {len(swept)} of {len(swept)} jobs to run" in done.stdout


def test_a_report_sets_the_metrics_side_by_side(program: RunProgram, sweep: Path) -> None:
    done = program("task=report", "sweep=multirun_sweeps/proxies")
    assert done.returncode == 0, done.stderr
    report = sweep / "report"
    results = {(row["dataset"], row["metric"]): row for row in rows(sweep / "results.csv")}
    table_rows = rows(report / "proxies-cifar10.csv")
    # made up with ever more noise
    assert [row["metric"] for row in table_rows] == ["twins", "zen", "synflow_bn", "l2_norm"]
    for row in table_rows[1:]:
        result = results["cifar10", row["metric"]]
        for column, key in (
            ("ρ", "rho_test_acc"),
            ("τ", "tau_test_acc"),
            ("ρ top 10 %", "rho_top_test_acc"),
            ("nDCG@100", "ndcg_100_test_acc"),
        ):
            for part in ("", "_low", "_high"):
                assert float(row[column + part]) == float(result[key + part])
        assert float(row["precision@100"]) == float(result["precision_100_test_acc"])
        assert float(row["regret"]) == float(result["regret_test_acc"])
        assert float(row["seconds a network"]) == float(result["seconds_per_network"])
    assert "**" in (report / "proxies-cifar10.md").read_text(encoding="utf-8").splitlines()[5]
    for name in ("cost", "agreement-cifar10", "agreement-cifar100"):
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (report / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    page = (report / "index.html").read_text(encoding="utf-8")
    assert page.count("<table") == 2
    assert page.count("<img") == 3
    assert "zen on CIFAR-100: only 5,000 architectures had a score" in page
    assert "Left out by the sweep, 2 jobs: no scores yet" in page
    assert "+experiment=proxies" in page
    summary = json.loads(only(sweep.parent.parent, "outputs/*/summary.json").read_text())
    assert (summary["jobs"], summary["missing"], summary["tables"], summary["figures"]) == (4, 0, 2, 3)


def test_the_agreement_of_metrics_is_their_rank_correlation(sweep: Path, tables: Path, tmp_path: Path) -> None:
    accuracy = accuracy_of(tables, "cifar10")
    known = {"test accuracy": accuracy} | {name: made_up("cifar10", name, accuracy) for name in METRICS}
    found = rank_metrics(read_sweep(sweep), store=tmp_path)[0]["cifar10"]
    assert sorted(found.names) == sorted(known)
    expected = stats.spearmanr(np.stack([known[name] for name in found.names], axis=1)).statistic
    assert found.agreement == pytest.approx(expected)


def test_a_report_tells_what_it_does_without(program: RunProgram, sweep: Path) -> None:
    cut = only(sweep, "dataset=cifar10,*metric=zen*/summary.json")
    cut.write_text('{"task": "corr', encoding="utf-8")
    old = only(sweep, "dataset=cifar10,*metric=l2_norm*/summary.json")
    summary = json.loads(old.read_text())
    del summary["seconds_per_network"], summary["seal"]  # older ones have neither
    old.write_text(json.dumps(summary), encoding="utf-8")
    done = program("task=report", "sweep=multirun_sweeps/proxies")
    assert done.returncode == 0, done.stderr
    assert f"missing: {cut.parent.name}: " in done.stdout
    page = (sweep / "report/index.html").read_text(encoding="utf-8")
    assert "has no seal, which says that it is what was written; run the sweep again" in page
    assert [row["metric"] for row in rows(sweep / "report/proxies-cifar10.csv")] == ["twins", "synflow_bn"]


def test_a_metric_that_says_nothing_does_not_change_what_is_said_of_others(
    program: RunProgram, tmp_path: Path, tables: Path
) -> None:
    accuracy = accuracy_of(tables, "cifar10")
    fill(tmp_path / "scores", "cifar10", "zen", made_up("cifar10", "zen", accuracy))
    fill(tmp_path / "scores", "cifar10", "l2_norm", np.ones(SIZE))
    places = ("benchmark=table", f"benchmark.path={tables}", f"paths.data={tmp_path / 'scores'}")
    done = program("-m", "task=correlate", "metric=zen,l2_norm", OTHER, "name=constant", *places, BASIC)
    assert done.returncode == 0, done.stderr
    done = program("task=report", "sweep=multirun_sweeps/constant")
    assert done.returncode == 0, done.stderr
    report = tmp_path / "multirun_sweeps/constant/report"
    assert "no test accuracy" not in (report / "index.html").read_text(encoding="utf-8")
    _, zen, constant = rows(report / "proxies-cifar10.csv")
    assert float(zen["ρ"]) > 0.5
    assert float(zen["regret"]) >= 0
    assert (constant["metric"], constant["ρ"]) == ("l2_norm", "")


def test_findings_are_not_written_of_rankings(program: RunProgram, sweep: Path) -> None:
    done = program("task=report", "sweep=multirun_sweeps/proxies", "task.findings=findings.md")
    assert done.returncode == 2
    assert done.stderr == (
        "error: task.findings=findings.md: expected null, as multirun_sweeps/proxies is no sweep of searches\n"
    )
    assert not (sweep / "report").exists()


def test_metrics_that_differ_in_a_parameter_are_told_apart(program: RunProgram, tmp_path: Path, data: Path) -> None:
    metrics = ("metric=synflow_bn,zen", OTHER, f"paths.data={data}")
    sweep = ("-m", "task=correlate", *metrics, "task.top=0.1,0.2", "name=two", BASIC)
    done = program(*sweep)
    assert done.returncode == 0, done.stderr
    assert program("task=report", "sweep=multirun_sweeps/two").returncode == 0
    report = tmp_path / "multirun_sweeps/two/report"
    table_rows = rows(report / "proxies-cifar10.csv")
    assert "ρ top 10 or 20 %" in table_rows[0]
    assert {row["metric"] for row in table_rows} == {
        "twins",
        "synflow_bn (top=0.1)",
        "synflow_bn (top=0.2)",
        "zen (top=0.1)",
        "zen (top=0.2)",
    }
    assert "The benchmark has no test accuracy" in (report / "index.html").read_text(encoding="utf-8")
