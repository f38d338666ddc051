"""The three proxies of AZ-NAS against plain computations on modules."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from torch import Tensor

from nas_exp.metrics.az_expressivity import az_expressivity
from nas_exp.metrics.az_progressivity import az_progressivity
from nas_exp.metrics.az_trainability import _signs, az_trainability
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from nas_exp.networks.modules import Network
from tests.metrics.networks import SEEDS, SPECS, cell_network, random_batch


def outputs(network: Network, images: Tensor) -> list[Tensor]:
    found = [network.stem(images)]
    for block in network.blocks:
        found.append(block(found[-1]))
    return found


def entropies(network: Network, images: Tensor) -> list[float]:
    """By singular values of the centred features, where the metric takes eigenvalues of their covariance."""
    found = []
    for x in outputs(network, images):
        pixels = x.detach().movedim(1, 3).reshape(-1, x.shape[1]).numpy()
        squares = np.linalg.svd(pixels - pixels.mean(0), compute_uv=False) ** 2
        if squares.sum() == 0:
            return [math.nan]
        shares = squares / squares.sum()
        found.append(float(-(shares * np.log(shares + 1e-8)).sum()))
    return found


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_expressivity_and_progressivity_are_sum_and_smallest_step_of_entropies(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    expected = entropies(network, batch.images)
    dead = math.isnan(expected[0])
    steps = [-math.inf] if dead else [after - before for before, after in itertools.pairwise(expected)]
    for form in (network, cell_network_of(network)):
        assert az_expressivity(form, batch) == pytest.approx(-math.inf if dead else sum(expected), rel=1e-9)
        assert az_progressivity(form, batch) == pytest.approx(min(steps), rel=1e-9, abs=1e-9)


def trainability(network: Network, images: Tensor, noise_seed: int) -> float:
    """Pixel by pixel, with NumPy's singular values."""
    scores = []
    block_outputs = outputs(network, images)
    for block, handed_on in zip(network.blocks, block_outputs, strict=False):
        x = handed_on.detach().requires_grad_()
        y = block(x)
        signs = _signs(tuple(y.shape), noise_seed, y.dtype, "cpu")
        y.backward(signs)
        assert x.grad is not None
        if x.shape == y.shape and (x.grad == signs).all():
            return -math.inf
        step = x.shape[2] // y.shape[2]
        product = x.new_zeros(step**2 * x.shape[1], y.shape[1])
        for row in range(y.shape[2]):
            for column in range(y.shape[3]):
                patch = x.grad[:, :, row * step : (row + 1) * step, column * step : (column + 1) * step].flatten(1)
                product = product + patch.T @ signs[:, :, row, column]
        s = np.linalg.svd(product.numpy() / (len(images) * y.shape[2] * y.shape[3]), compute_uv=False)[0]
        scores.append(2 - s - 1 / (s + 1e-6))
    return float(np.mean(scores))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_trainability_equals_the_singular_values_pixel_by_pixel(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    expected = trainability(network, batch.images, 3)
    for form in (network, cell_network_of(network)):
        assert az_trainability(form, batch, noise_seed=3) == pytest.approx(expected, rel=1e-6)


def test_a_cell_that_hands_on_what_it_gets_cannot_be_trained() -> None:
    batch = random_batch(0)
    assert az_trainability(cell_network_of(cell_network((0, 0, 0, 1, 0, 0), 0)), batch, noise_seed=0) == -math.inf


def test_other_signs_are_another_score() -> None:
    network, batch = cell_network_of(cell_network((3, 2, 1, 4, 3, 2), 0)), random_batch(0)
    assert az_trainability(network, batch, noise_seed=0) != az_trainability(network, batch, noise_seed=1)
