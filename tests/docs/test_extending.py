"""The files of docs/extending.md are all that a metric needs, and its commands do what the page says."""

import json
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scipy import stats

from nas_exp.benchmarks import bundled
from nas_exp.networks.modules import Network, initialise
from tests.conftest import ROOT, RunProgram
from tests.docs.pages import blocks, write_files
from tests.job_files import SMALL, rows, scores_of
from tests.topology import TOPOLOGY, spec_of_index

PAGE = ROOT / "docs/extending.md"


@pytest.mark.slow
def test_a_metric_is_one_python_file_and_one_yaml_file(program: RunProgram, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    (block,) = (block for block in blocks(PAGE) if block.language == "bash" and "metric=l1" in block.content)
    score, search, sweep = (shlex.split(command)[2:] for command in block.commands)

    def run(*arguments: str) -> None:
        done = program(*arguments, *SMALL, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr

    run(*score)
    table = scores_of(tmp_path / "data")
    assert len(table) == 20
    for arch in list(table)[:3]:
        assert table[arch] == pytest.approx(l1_of(arch), rel=1e-5)

    of_page = ("--config-dir", "conf")
    run(*of_page, "task=correlate", "metric=l1", "name=rank")
    trained = bundled.load("cifar10", space=TOPOLOGY, path=None, store=tmp_path / "store").columns["val_acc"]
    rho = stats.spearmanr(list(table.values()), trained[list(table)]).statistic
    ranked = json.loads((tmp_path / "outputs/rank/summary.json").read_text())
    assert ranked["architectures"] == len(table)
    assert ranked["rho_val_acc"] == pytest.approx(rho)

    # where every metric is compared, so is this one; the others have no scores of so small a network
    run(*of_page, "-m", "+experiment=proxies", "dataset=cifar10", "metric=glob(l*)", "hydra.launcher.n_jobs=1")
    (row,) = rows(tmp_path / "multirun_sweeps/proxies/results.csv")
    assert row["metric"] == "l1"
    run(*of_page, "task=report", "sweep=multirun_sweeps/proxies")
    _, row = rows(tmp_path / "multirun_sweeps/proxies/report/proxies-cifar10.csv")
    assert row["metric"] == "l1"
    assert float(row["ρ"]) == pytest.approx(rho)

    run(*search, "runs=2", "name=one")
    known = scores_of(tmp_path / "data")
    for row in rows(tmp_path / "outputs/one/runs.csv"):
        assert float(row["score"]) == pytest.approx(l1_of(int(row["arch_index"])), rel=1e-5)
        assert float(row["val_acc"]) == trained[int(row["arch_index"])]
    steps = pq.read_table(tmp_path / "outputs/one/trajectory.parquet").to_pandas()
    assert [known[arch] for arch in steps["arch_index"]] == steps["score"].tolist()
    assert steps.groupby("run")["score"].max().tolist() == [
        float(row["score"]) for row in rows(tmp_path / "outputs/one/runs.csv")
    ]

    run(*sweep, "runs=1", "name=s", "hydra.launcher.n_jobs=1")
    assert len(rows(tmp_path / "multirun_sweeps/s/results.csv")) == 2
    # another parameter, another table
    assert len(list((tmp_path / "data/scores/cifar10").glob("l1-*"))) == 2
    run(*of_page, "task=report", "sweep=multirun_sweeps/s")
    found = rows(tmp_path / "multirun_sweeps/s/report/table-3.csv")
    assert {row["metric"] for row in found} == {"l1"}


def l1_of(arch: int) -> float:
    """The page's metric of the small network, computed without it."""
    network = Network(spec_of_index(arch), C=4, N=1, num_classes=10)
    initialise(network, 0)
    return sum(float(weight.detach().abs().sum()) for weight in network.parameters())


def test_a_metric_parameter_of_the_wrong_type_is_named(program: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "my_proxies.py").write_text(
        "def l1(network, batch, *, power: float) -> float:\n    return power\n", encoding="utf-8"
    )
    (tmp_path / "metric").mkdir()
    (tmp_path / "metric/l1.yaml").write_text(
        "name: l1\n_target_: my_proxies.l1\ninput: ones\nnetwork: modules\nbatch_size: null\n"
        "dtype: float32\nseed: 0\nversion: 1\npower: 1.0\n",
        encoding="utf-8",
    )
    done = program("--config-dir", str(tmp_path), "metric=l1", "metric.power=strong", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "error: metric.power=strong: expected a number\n"
