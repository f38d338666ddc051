"""What CONTRIBUTING.md tells newcomers to write really is all that there is to write."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scipy import stats

from nas_exp.benchmarks import bundled
from nas_exp.networks.modules import Network, initialise
from nas_exp.spaces.topology import spec_of_index
from tests.conftest import ROOT, RunProgram
from tests.job_files import rows, scores_of
from tests.topology import TOPOLOGY


def test_a_metric_is_one_python_file_and_one_yaml_file(program: RunProgram, tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (yaml,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my_proxies.py").write_text(code, encoding="utf-8")
    (tmp_path / "conf/metric").mkdir(parents=True)
    (tmp_path / "conf/metric/l1.yaml").write_text(yaml, encoding="utf-8")

    def run(*arguments: str) -> str:
        done = program(
            "--config-dir", str(tmp_path / "conf"), *arguments, "network.C=4", "network.N=1",
            PYTHONPATH=str(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    asked = [0, *range(7, 15624, 400), 15624]
    run("task=score", "metric=l1", f"task.archs={asked}")
    table = scores_of(tmp_path / "data")
    assert sorted(table) == asked
    for arch in (0, 9207, 15624):
        assert table[arch] == pytest.approx(l1_of(arch), rel=1e-5)

    run("task=correlate", "metric=l1", "name=rank")
    trained = bundled.load("cifar10", space=TOPOLOGY, path=None, store=tmp_path / "store").columns["val_acc"]
    rho = stats.spearmanr(list(table.values()), trained[list(table)]).statistic
    ranked = json.loads((tmp_path / "outputs/rank/summary.json").read_text())
    assert ranked["architectures"] == len(asked)
    assert ranked["rho_val_acc"] == pytest.approx(rho)

    # where every metric is compared, it is as well
    run("-m", "+experiment=proxies", "dataset=cifar10")
    (row,) = rows(tmp_path / "multirun_sweeps/proxies/results.csv")
    assert row["metric"] == "l1"
    run("task=report", "sweep=multirun_sweeps/proxies")
    _, row = rows(tmp_path / "multirun_sweeps/proxies/report/proxies-cifar10.csv")
    assert row["metric"] == "l1"
    assert float(row["ρ"]) == pytest.approx(rho)

    run("task=search", "metric=l1", "algo=rs", "algo.N=20", "runs=2", "name=one")
    for row in rows(tmp_path / "outputs/one/runs.csv"):
        assert float(row["score"]) == pytest.approx(l1_of(int(row["arch_index"])), rel=1e-5)
        assert float(row["val_acc"]) == trained[int(row["arch_index"])]
    known = scores_of(tmp_path / "data")
    steps = pq.read_table(tmp_path / "outputs/one/trajectory.parquet").to_pandas()
    assert [known[arch] for arch in steps["arch_index"]] == steps["score"].tolist()
    assert steps.groupby("run")["score"].max().tolist() == [
        float(row["score"]) for row in rows(tmp_path / "outputs/one/runs.csv")
    ]

    run("-m", "metric=l1", "metric.power=1,2", "algo=rs", "algo.N=5", "runs=1", "name=s")
    assert len(rows(tmp_path / "multirun_sweeps/s/results.csv")) == 2
    # another parameter, another table
    assert len(list((tmp_path / "data/scores/cifar10").glob("l1-*"))) == 2
    run("task=report", "sweep=multirun_sweeps/s")
    found = rows(tmp_path / "multirun_sweeps/s/report/table-3.csv")
    assert {row["metric"] for row in found} == {"l1"}


def l1_of(arch: int) -> float:
    """What CONTRIBUTING.md's metric says of the small network, worked out without it."""
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
