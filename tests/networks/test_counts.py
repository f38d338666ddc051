"""What is counted without a network, against the layers of the network itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_exp.metrics.flops import flops
from nas_exp.metrics.num_layers import num_layers
from nas_exp.metrics.params import params
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.counts import Counts
from nas_exp.networks.modules import Network
from tests.metrics.networks import SPECS, ones_batch

SIZES = st.fixed_dictionaries({"C": st.integers(1, 6), "N": st.integers(1, 3), "num_classes": st.integers(2, 12)})


def layers_of(spec: Spec, size: dict[str, int]) -> list[tuple[nn.Conv2d | nn.Linear, int]]:
    """The convolutions and linear layers that a forward pass of one 8 x 8 image meets, and the pixels they put out."""
    network, met = Network(spec, **size), list[tuple[nn.Conv2d | nn.Linear, int]]()

    def meet(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> None:
        met.append((layer, output[0, 0].numel()))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.ones_(layer.weight)
            layer.register_forward_hook(meet)
    network(torch.randn(2, 3, 8, 8))
    return met


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, size=SIZES)
def test_counts_are_those_of_the_network(spec: Spec, size: dict[str, int]) -> None:
    counts, met = Counts(np.array(spec), **size), layers_of(spec, size)
    assert num_layers(counts, ones_batch()) == len(met)
    weights = sum(weight.numel() for weight in Network(spec, **size).parameters())
    assert params(counts, ones_batch()) == pytest.approx(weights / 1e6, rel=1e-12)
    multiply_adds = sum(layer.weight.numel() * pixels for layer, pixels in met) + size["num_classes"]
    assert flops(counts, ones_batch()) == pytest.approx(multiply_adds / 1e6, rel=1e-12)


def test_many_are_counted_as_one_by_one() -> None:
    specs = np.random.default_rng(0).integers(0, 5, (7, 6))
    together = Counts(specs, C=4, N=2, num_classes=10)
    each = [Counts(spec, C=4, N=2, num_classes=10) for spec in specs]
    assert together.params().tolist() == [int(one.params()) for one in each]
    assert together.flops(16).tolist() == [int(one.flops(16)) for one in each]
    assert together.layers().tolist() == [int(one.layers()) for one in each]
