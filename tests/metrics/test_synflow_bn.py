import copy

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from nas_exp.cells import cell_network_of
from nas_exp.metrics import Batch
from nas_exp.metrics.synflow_bn import synflow_bn
from nas_exp.space import Spec
from tests.metrics.backward_reference import layers
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, other_network


def reference(network: nn.Module, batch: Batch) -> float:
    """Backward through a copy whose parameters are magnitudes."""
    network = copy.deepcopy(network).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    network(batch.images.double()).sum().backward()
    weights = [layer.weight for layer in layers(network)]
    return sum((weight * weight.grad).abs().sum().item() for weight in weights if weight.grad is not None)


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_sum_of_weights_times_gradients_with_batch_norm(spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    assert synflow_bn(network, ones_batch()) == pytest.approx(reference(network, ones_batch()), rel=1e-9)


def test_works_on_any_network() -> None:
    assert synflow_bn(other_network(), ones_batch()) == pytest.approx(
        reference(other_network(), ones_batch()), rel=1e-9
    )


def test_computes_in_double_precision_whatever_the_dtype_of_the_network() -> None:
    network, single = cell_network((3, 1, 2, 0, 4, 3), 0).float(), Batch(torch.ones(1, 3, 8, 8), torch.zeros(1))
    for form in (network, cell_network_of(network)):
        assert synflow_bn(form, single) == pytest.approx(reference(network, ones_batch()), rel=1e-9)


def test_leaves_the_network_as_it_was() -> None:
    network = other_network()
    before = copy.deepcopy(network)
    synflow_bn(network, ones_batch())
    for parameter, expected in zip(network.parameters(), before.parameters(), strict=True):
        assert torch.equal(parameter, expected)
        assert parameter.grad is None
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(network(images), before(images))


def test_is_zero_where_no_path_leads_from_input_to_output() -> None:
    assert synflow_bn(cell_network((0,) * 6, 0), ones_batch()) == 0
