import math

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from nas_exp.metrics.zen import _noise, zen
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.modules import Network
from tests.metrics.live_layers import live_cells, live_modules
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch


def features(network: Network, images: Tensor) -> Tensor:
    x = network.stem(images)
    for block in network.blocks:
        x = block(x)
    return network.head(x)


def reference(network: Network, samples: int, gamma: float, noise_seed: int) -> float:
    """On modules, the spread of what each BatchNorm sees found by hooks."""
    x, noise = _noise(samples, (3, 8, 8), noise_seed, torch.float64, "cpu")
    logarithms: list[float] = []

    def see(_: nn.Module, inputs: tuple[Tensor]) -> None:
        logarithms.append(spread(inputs[0]))

    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight /= math.sqrt((layer.weight**2).mean())
        moved = features(network, x + gamma * noise)
        for module in live_modules(network):
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_pre_hook(see)
        reaction = float((moved - features(network, x)).abs().sum() / samples)
    return math.log(reaction) + sum(logarithms) if reaction > 0 else -math.inf


def spread(x: Tensor) -> float:
    variances = x.movedim(1, 0).flatten(1).var(dim=1, correction=0)
    return math.log(math.sqrt(variances.mean())) if variances.any() else -math.inf


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_reaction_and_spreads_found_on_modules(spec: Spec, seed: int) -> None:
    network = cell_network(spec, seed)
    found = zen(live_cells(network), ones_batch(), samples=4, gamma=0.01, noise_seed=1)
    assert found == pytest.approx(reference(network, 4, 0.01, 1), rel=1e-7)


def test_the_size_of_weights_does_not_matter() -> None:
    network = cell_network((3, 2, 1, 4, 3, 2), 0)
    cells = live_cells(network)
    scores = [
        zen(form, ones_batch(), samples=4, gamma=0.01, noise_seed=0)
        for form in (cells, cells.with_weights(lambda weight: 7 * weight))
    ]
    assert scores[1] == pytest.approx(scores[0], rel=1e-9)


def test_other_noise_is_another_score() -> None:
    cells = live_cells(cell_network((3, 2, 1, 4, 3, 2), 0))
    first, second = (zen(cells, ones_batch(), samples=4, gamma=0.01, noise_seed=seed) for seed in (0, 1))
    assert first != second
