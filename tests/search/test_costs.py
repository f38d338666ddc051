"""Costs against the official numbers of the whole space, and against the network itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from nas_exp.benchmarks import Benchmark, from_rows, table
from nas_exp.errors import InputError
from nas_exp.networks.modules import Network
from nas_exp.notebook import configure
from nas_exp.search import costs
from nas_exp.spaces.topology import TopologySpace
from tests.conftest import ROOT
from tests.topology import TOPOLOGY, index_of_str, spec_of_index


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenet16-120"])
def test_params_and_flops_are_the_official_ones(test_data: Path, dataset: str) -> None:
    rows = pd.read_csv(table.find(test_data / "nb201", dataset)).to_dict("list")
    archs = [index_of_str(arch_str) for arch_str in rows["arch_str"]]
    assert len(archs) == 15625
    images = configure(f"dataset={dataset}").built_for
    for found, column in ((TOPOLOGY.params, "params_m"), (TOPOLOGY.flops, "flops_m")):
        # both have at most six decimals, as they are whole numbers over a million
        assert found(np.array(archs), images).tolist() == np.rint(np.array(rows[column]) * 1e6).tolist()


@pytest.mark.parametrize("arch", [0, 15624, 9000, 12345])
@pytest.mark.parametrize("size", [(16, 5), (4, 1)])
def test_params_are_those_that_the_network_has(arch: int, size: tuple[int, int]) -> None:
    C, N = size
    network = Network(spec_of_index(arch), C=C, N=N, num_classes=120)
    images = configure("dataset=imagenet16-120").built_for
    cost = costs.costs_of("params", TopologySpace(C=C, N=N), images, no_benchmark)
    weights = sum(weight.numel() for weight in network.parameters())
    assert (cost([7, arch])[1] * 1e6, cost([arch])[0] * 1e6) == pytest.approx((weights, weights))


def no_benchmark() -> Benchmark:
    raise AssertionError("only latencies come from a benchmark")


def test_latencies_are_the_benchmarks() -> None:
    images = configure().built_for
    latency = {"latency": np.array([0.5, 0.25])}
    benchmark = from_rows("made up", "cifar10", TOPOLOGY, np.array([9, 4]), latency)
    cost = costs.costs_of("latency", TOPOLOGY, images, lambda: benchmark)
    assert cost([4, 9, 5]).tolist() == pytest.approx([0.25, 0.5, np.nan], nan_ok=True)
    assert costs.highest(cost, TOPOLOGY, 0.25) == 0.5
    without = from_rows("made up", "cifar10", TOPOLOGY, np.array([9]), {})
    with pytest.raises(InputError, match=r"^algo\.cost=latency: benchmark=made up has no latencies"):
        costs.costs_of("latency", TOPOLOGY, images, lambda: without)


def test_every_cost_that_can_be_chosen_is_told_by_its_yaml() -> None:
    text = (ROOT / "conf/algo/nsga2.yaml").read_text(encoding="utf-8")
    assert OmegaConf.load(ROOT / "conf/algo/nsga2.yaml").cost in costs.COSTS
    assert all(cost in text for cost in costs.COSTS)
