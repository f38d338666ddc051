import gc

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.metrics.fisher import fisher
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from tests.metrics.backward_reference import cross_entropy, layers
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    """Every layer's output is kept with its gradient; what a channel is worth counts for each of its weights."""
    kept: list[tuple[nn.Conv2d | nn.Linear, Tensor, Tensor]] = []

    def keep(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> None:
        output.retain_grad()
        kept.append((layer, output, output.detach().clone()))

    handles = [layer.register_forward_hook(keep) for layer in layers(network)]
    cross_entropy(network, batch).backward()
    for handle in handles:
        handle.remove()
    total = 0.0
    for layer, output, value in kept:
        if output.grad is not None:
            of_channels = 0.5 * (value * output.grad).reshape(*value.shape[:2], -1).sum(2).square().mean(0)
            total += float(of_channels.reshape(-1, *[1] * (layer.weight.ndim - 1)).expand_as(layer.weight).sum())
    return total


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_squares_of_activation_times_gradient_spread_over_the_weights(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert fisher(network, batch) == pytest.approx(reference(network, batch), rel=1e-9, abs=1e-12)


def not_in_place() -> nn.Module:
    network = other_network()
    network.relu.inplace = False
    return network


def test_works_on_any_network() -> None:
    batch = random_batch(0)
    assert fisher(other_network(), batch) == pytest.approx(reference(not_in_place(), batch), rel=1e-9)


def test_leaves_no_hook_behind() -> None:
    network = other_network()
    fisher(network, random_batch(0))
    assert not any(module._forward_hooks for module in network.modules())


def test_hooks_keep_nothing_alive() -> None:
    network, batch = cell_network_of(cell_network((3,) * 6, 0)), random_batch(0)
    gc.collect()
    before = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
    gc.disable()
    try:
        fisher(network, batch)
        assert sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()) <= before
    finally:
        gc.enable()
