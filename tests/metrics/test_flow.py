"""SynFlow's relatives that have a backward pass."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.metrics.log_synflow import log_synflow
from nas_exp.metrics.synflow_bn import synflow_bn
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from tests.metrics.backward_reference import layers
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, other_network

Flow = Callable[[nn.Module, Batch], float]


def gradients(network: nn.Module, batch: Batch, *, batch_norm: bool) -> list[tuple[Tensor, Tensor]]:
    """Return weights and gradients of a copy whose parameters are magnitudes."""
    network = copy.deepcopy(network).double()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d) and not batch_norm:
                setattr(module, name, nn.Identity())
    for parameter in network.parameters():
        parameter.data.abs_()
    network(batch.images.double()).sum().backward()
    weights = [layer.weight for layer in layers(network)]
    return [(weight, weight.grad) for weight in weights if weight.grad is not None]


def log_synflow_reference(network: nn.Module, batch: Batch) -> float:
    found = gradients(network, batch, batch_norm=False)
    return sum((weight * (gradient + 1).log()).sum().item() for weight, gradient in found)


def synflow_bn_reference(network: nn.Module, batch: Batch) -> float:
    found = gradients(network, batch, batch_norm=True)
    return sum((weight * gradient).abs().sum().item() for weight, gradient in found)


both = pytest.mark.parametrize(
    ("flow", "reference"),
    [(log_synflow, log_synflow_reference), (synflow_bn, synflow_bn_reference)],
    ids=["log_synflow", "synflow_bn"],
)


@both
@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_formula_on_any_cell(flow: Flow, reference: Flow, spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    assert flow(network, ones_batch()) == pytest.approx(reference(network, ones_batch()), rel=1e-9)


@both
def test_works_on_any_network(flow: Flow, reference: Flow) -> None:
    assert flow(other_network(), ones_batch()) == pytest.approx(reference(other_network(), ones_batch()), rel=1e-9)


@both
def test_computes_in_double_precision_whatever_the_dtype_of_the_network(flow: Flow, reference: Flow) -> None:
    network, single = cell_network((3, 1, 2, 0, 4, 3), 0).float(), Batch(torch.ones(1, 3, 8, 8), torch.zeros(1))
    for form in (network, cell_network_of(network)):
        assert flow(form, single) == pytest.approx(reference(network, ones_batch()), rel=1e-9)  # type: ignore[arg-type]


@both
def test_leaves_the_network_as_it_was(flow: Flow, reference: Flow) -> None:
    network = other_network()
    before = copy.deepcopy(network)
    flow(network, ones_batch())
    for parameter, expected in zip(network.parameters(), before.parameters(), strict=True):
        assert torch.equal(parameter, expected)
        assert parameter.grad is None
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(network(images), before(images))


@both
def test_is_zero_where_no_path_leads_from_input_to_output(flow: Flow, reference: Flow) -> None:
    assert flow(cell_network((0,) * 6, 0), ones_batch()) == 0
