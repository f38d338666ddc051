import gc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torch.nn import functional

from nas_exp.metrics.vkdnw import _directions, entropy_of_deciles, vkdnw, weighted_jacobian
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.modules import Network
from tests.metrics.live_layers import live_cells, live_modules
from tests.metrics.networks import SEEDS, SPECS, cell_network, random_batch


def with_held_statistics(network: Network, images: Tensor) -> Network:
    """Make every BatchNorm use the mean and variance of this mini-batch as constants."""

    def hold(norm: nn.BatchNorm2d) -> None:
        def learn(_: nn.Module, inputs: tuple[Tensor]) -> None:
            mean, variance = inputs[0].detach().mean((0, 2, 3)), inputs[0].detach().var((0, 2, 3), correction=0)
            handle.remove()
            norm.forward = lambda x: functional.batch_norm(x, mean, variance)  # type: ignore[method-assign,assignment]

        handle = norm.register_forward_pre_hook(learn)

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            hold(module)
    network(images)
    return network


def jacobians(network: Network, images: Tensor) -> Tensor:
    """Image by image and class by class, by a backward pass each: shape (B, classes, L)."""
    layers = [module for module in live_modules(network) if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = [layer.weight for layer in layers]
    rows = []
    for image in images:
        logits = network(image[None])[0]
        gradients = [torch.autograd.grad(logit, weights, retain_graph=True, materialize_grads=True) for logit in logits]
        rows.append(torch.stack([torch.stack([g.flatten()[0] for g in of_logit]) for of_logit in gradients]))
    return torch.stack(rows)


@settings(max_examples=15, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_derivatives_are_those_of_each_image_and_class(spec: Spec, seed: int) -> None:
    network, images = cell_network(spec, seed), random_batch(seed, 4).images
    cells = live_cells(network)
    v = _directions(network(images).detach(), 3, seed % 5)
    found = weighted_jacobian(cells, images, directions=3, noise_seed=seed % 5)
    expected = torch.einsum("mbk,bkl->mbl", v, jacobians(with_held_statistics(network, images), images))
    # the layers of a cell network are in the order in which they are computed
    found, expected = (rows.reshape(12, -1).sort(dim=1).values for rows in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)


def test_the_score_is_the_number_of_layers_and_the_entropy() -> None:
    network, batch = cell_network((3, 2, 1, 4, 3, 2), 0), random_batch(0, 8)
    cells = live_cells(network)
    rows = weighted_jacobian(cells, batch.images, directions=40, noise_seed=0).numpy()
    deciles = np.quantile(np.linalg.svd(rows, compute_uv=False) ** 2, np.arange(1, 10) / 10)
    q = deciles / deciles.sum()
    expected = len(cells.layers()) - (q * np.log(q)).sum()
    assert vkdnw(cells, batch, directions=40, noise_seed=0) == pytest.approx(expected, rel=1e-9)


def test_directions_have_the_covariance_of_predictions() -> None:
    logits = torch.tensor([[0.0, 1, -1, 0.5]], dtype=torch.float64)
    v, p = _directions(logits, 100_000, 0)[:, 0], logits.softmax(1)[0]
    torch.testing.assert_close(v.T @ v / len(v), torch.diag(p) - torch.outer(p, p), rtol=0, atol=0.005)
    torch.testing.assert_close(v.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=0.01)


def test_entropy_is_highest_where_eigenvalues_are_equal() -> None:
    assert entropy_of_deciles(torch.full((20,), 3.0, dtype=torch.float64)) == pytest.approx(np.log(9))
    assert entropy_of_deciles(torch.logspace(-9, 0, 20, dtype=torch.float64)) < 0.9
    assert entropy_of_deciles(torch.zeros(5)) == 0


def test_keeps_no_graph_alive() -> None:
    cells, batch = live_cells(cell_network((3,) * 6, 0)), random_batch(0)
    gc.collect()
    before = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
    gc.disable()
    try:
        vkdnw(cells, batch, directions=2, noise_seed=0)
        assert sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()) <= before
    finally:
        gc.enable()
