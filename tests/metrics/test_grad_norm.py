import pytest
from hypothesis import given, settings
from torch import nn

from nas_exp.metrics import Batch
from nas_exp.metrics.grad_norm import grad_norm
from nas_exp.networks.cell_graph import Spec
from tests.metrics.backward_reference import weights_after_backward
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    """Backward through everything, the loss and the norms written out."""
    return sum(gradient.square().sum().sqrt().item() for _, gradient in weights_after_backward(network, batch))


@settings(max_examples=25, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_sum_of_norms_after_a_full_backward_pass(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert grad_norm(network, batch) == pytest.approx(reference(network, batch), rel=1e-9, abs=1e-12)


def test_works_on_any_network() -> None:
    batch = random_batch(0)
    assert grad_norm(other_network(), batch) == pytest.approx(reference(other_network(), batch), rel=1e-9)


def test_is_zero_where_the_logits_do_not_depend_on_any_weight() -> None:
    assert grad_norm(cell_network((0,) * 6, 0), random_batch(0)) == 0


def test_leaves_no_gradients_behind() -> None:
    network = cell_network((3,) * 6, 0)
    grad_norm(network, random_batch(0))
    assert all(parameter.grad is None for parameter in network.parameters())
