"""Costs against the official numbers of the whole space, and against the network itself."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from nas_exp.benchmarks import table
from nas_exp.networks.modules import Network
from nas_exp.notebook import configure
from nas_exp.search import costs
from nas_exp.spaces.topology import index_of_str, spec_of_index
from tests.conftest import ROOT


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenet16-120"])
def test_params_and_flops_are_the_official_ones(test_data: Path, dataset: str) -> None:
    rows = table.read_arrow(table.find(test_data / "nb201", dataset)).to_pydict()
    archs = [index_of_str(arch_str) for arch_str in rows["arch_str"]]
    assert len(archs) == 15625
    for cost, column in ((costs.params, "params_m"), (costs.flops, "flops_m")):
        # both have at most six decimals, as they are whole numbers over a million
        assert (
            np.rint(cost(configure(f"dataset={dataset}"))[archs] * 1e6).tolist()
            == np.rint(np.array(rows[column]) * 1e6).astype(np.int64).tolist()
        )


@pytest.mark.parametrize("arch", [0, 15624, 9000, 12345])
@pytest.mark.parametrize("size", [(16, 5), (4, 1)])
def test_params_are_those_that_the_network_has(arch: int, size: tuple[int, int]) -> None:
    C, N = size
    network = Network(spec_of_index(arch), C=C, N=N, num_classes=120)
    config = configure("dataset=imagenet16-120", f"network.C={C}", f"network.N={N}")
    assert costs.params(config)[arch] * 1e6 == pytest.approx(sum(weight.numel() for weight in network.parameters()))


def test_every_cost_that_can_be_chosen_is_told_by_its_yaml() -> None:
    text = (ROOT / "conf/algo/nsga2.yaml").read_text(encoding="utf-8")
    assert OmegaConf.load(ROOT / "conf/algo/nsga2.yaml").cost in costs.COSTS
    assert all(cost in text for cost in costs.COSTS)
