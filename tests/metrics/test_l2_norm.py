import math

import pytest
from hypothesis import given, settings

from nas_exp.metrics.l2_norm import l2_norm
from nas_exp.networks.cell_graph import Spec
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_roots_of_sums_of_squares(spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    weights = [p for name, p in network.named_parameters() if p.ndim > 1]
    expected = sum(math.sqrt(weight.square().sum().item()) for weight in weights)
    assert l2_norm(network, ones_batch()) == pytest.approx(expected, rel=1e-12)


def test_counts_layers_that_lead_nowhere() -> None:
    dead, without = cell_network((3, 0, 2, 1, 0, 0), 0), cell_network((3, 0, 0, 1, 0, 0), 0)
    assert l2_norm(dead, ones_batch()) > l2_norm(without, ones_batch())
