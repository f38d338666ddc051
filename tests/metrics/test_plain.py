import pytest
from hypothesis import given, settings
from torch import nn

from nas_exp.metrics import Batch
from nas_exp.metrics.plain import plain
from nas_exp.networks.cell_graph import Spec
from tests.metrics.backward_reference import cross_entropy, layers, weights_after_backward
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    return sum((weight * gradient).sum().item() for weight, gradient in weights_after_backward(network, batch))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_sum_of_weight_times_gradient(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert plain(network, batch) == pytest.approx(reference(network, batch), rel=1e-9, abs=1e-12)


def test_works_on_any_network() -> None:
    batch = random_batch(0)
    assert plain(other_network(), batch) == pytest.approx(reference(other_network(), batch), rel=1e-9)


def test_is_the_derivative_of_the_loss_when_all_weights_grow_together() -> None:
    batch, step = random_batch(0), 1e-4
    losses = []
    for factor in (1 - step, 1 + step):
        network = other_network()
        for layer in layers(network):
            layer.weight.data *= factor
        losses.append(cross_entropy(network, batch).item())
    assert plain(other_network(), batch) == pytest.approx((losses[1] - losses[0]) / (2 * step), rel=1e-5)
