import copy

import pytest
import torch
from hypothesis import given, settings

from nas_exp.metrics.synflow import synflow
from nas_exp.networks.cell_graph import Spec
from perf.reference import synflow as reference
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, other_network


@settings(max_examples=25, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_sum_of_weights_times_gradients(spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    assert synflow(network, ones_batch()) == pytest.approx(reference(network, ones_batch()), rel=1e-12)


def test_works_on_any_network() -> None:
    assert synflow(other_network(), ones_batch()) == pytest.approx(reference(other_network(), ones_batch()), rel=1e-12)


def test_computes_in_double_precision_whatever_the_dtype_of_the_network() -> None:
    network = cell_network((3,) * 6, 0)
    assert synflow(network.float(), ones_batch()) == pytest.approx(reference(network, ones_batch()), rel=1e-12)


def test_does_not_depend_on_the_bias_of_the_classifier() -> None:
    network = cell_network((3, 1, 2, 0, 4, 3), 0)
    expected = synflow(network, ones_batch())
    with torch.no_grad():
        network.classifier.bias.add_(100)
    assert synflow(network, ones_batch()) == expected


def test_is_zero_where_no_path_leads_from_input_to_output() -> None:
    assert synflow(cell_network((0,) * 6, 0), ones_batch()) == 0


def test_leaves_the_network_as_it_was() -> None:
    network = other_network()
    before = copy.deepcopy(network)
    synflow(network, ones_batch())
    torch.testing.assert_close(network.state_dict(), before.state_dict(), rtol=0, atol=0)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(network(images), before(images))
