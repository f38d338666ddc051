import copy

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from nas_exp.cells import cell_network_of
from nas_exp.metrics import Batch
from nas_exp.metrics.log_synflow import log_synflow
from nas_exp.space import Spec
from tests.metrics.backward_reference import layers
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, other_network


def reference(network: nn.Module, batch: Batch) -> float:
    """Backward through a copy whose parameters are magnitudes, without its BatchNorms."""
    network = copy.deepcopy(network).double()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for parameter in network.parameters():
        parameter.data.abs_()
    network(batch.images.double()).sum().backward()
    weights = [layer.weight for layer in layers(network)]
    return sum((weight * (weight.grad + 1).log()).sum().item() for weight in weights if weight.grad is not None)


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_sum_of_weights_times_logarithms_of_gradients(spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    assert log_synflow(network, ones_batch()) == pytest.approx(reference(network, ones_batch()), rel=1e-9)


def test_works_on_any_network() -> None:
    assert log_synflow(other_network(), ones_batch()) == pytest.approx(
        reference(other_network(), ones_batch()), rel=1e-9
    )


def test_computes_in_double_precision_whatever_the_dtype_of_the_network() -> None:
    network, single = cell_network((3, 1, 2, 0, 4, 3), 0).float(), Batch(torch.ones(1, 3, 8, 8), torch.zeros(1))
    for form in (network, cell_network_of(network)):
        assert log_synflow(form, single) == pytest.approx(reference(network, ones_batch()), rel=1e-9)


def test_leaves_the_network_as_it_was() -> None:
    network = other_network()
    before = copy.deepcopy(network)
    log_synflow(network, ones_batch())
    for parameter, expected in zip(network.parameters(), before.parameters(), strict=True):
        assert torch.equal(parameter, expected)
        assert parameter.grad is None
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(network(images), before(images))


def test_is_zero_where_no_path_leads_from_input_to_output() -> None:
    assert log_synflow(cell_network((0,) * 6, 0), ones_batch()) == 0
