import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from nas_exp.errors import InputError
from nas_exp.metrics import Batch
from nas_exp.metrics.zico import zico
from nas_exp.networks.cell_graph import Spec
from tests.metrics.backward_reference import weights_after_backward
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    """By weights, as NumPy computes means and deviations of two passes."""
    half = len(batch.labels) // 2
    parts = [Batch(batch.images[:half], batch.labels[:half]), Batch(batch.images[half:], batch.labels[half:])]
    passes = [[gradient.clone() for _, gradient in weights_after_backward(network, part)] for part in parts]
    score = 0.0
    for layer in zip(*passes, strict=True):
        gradients = np.array([gradient.flatten().numpy() for gradient in layer])
        deviation = gradients.std(axis=0)
        varies = deviation != 0
        if varies.any():
            score += np.log((np.abs(gradients).mean(axis=0)[varies] / deviation[varies]).sum())
    return score


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_inverse_variation_of_gradients_weight_by_weight(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed, 8)
    assert zico(network, batch, batches=2) == pytest.approx(reference(network, batch), rel=1e-6)


def test_works_on_any_network() -> None:
    batch = random_batch(0, 8)
    assert zico(other_network(), batch, batches=2) == pytest.approx(reference(other_network(), batch), rel=1e-6)


def test_more_parts_are_more_passes() -> None:
    network, batch = cell_network((3, 2, 1, 4, 3, 2), 0), random_batch(0, 12)
    assert zico(network, batch, batches=3) != pytest.approx(zico(network, batch, batches=2), rel=1e-3)


def test_mini_batches_that_pull_alike_do_not_vary() -> None:
    network, batch = cell_network((3, 2, 1, 4, 3, 2), 0), random_batch(0, 4)
    twice = Batch(torch.cat([batch.images] * 2), torch.cat([batch.labels] * 2))
    assert zico(network, twice, batches=2) == 0


@pytest.mark.parametrize(("size", "batches"), [(5, 2), (6, 4), (2, 3)])
def test_parts_have_to_be_equal(size: int, batches: int) -> None:
    with pytest.raises(InputError, match=rf"metric.batches={batches}: expected a divisor of the batch size, {size}"):
        zico(other_network(), random_batch(0, size), batches=batches)
