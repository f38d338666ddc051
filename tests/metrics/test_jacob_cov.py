import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from nas_exp.metrics import Batch
from nas_exp.metrics.jacob_cov import jacob_cov, score_of_correlations
from nas_exp.networks.cell_graph import Spec
from tests.metrics.backward_reference import image_gradients
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    """Correlations and eigenvalues by NumPy, from a full backward pass."""
    gradients = image_gradients(network, batch.images).numpy()
    if not gradients.any():
        return math.nan
    eigenvalues = np.linalg.eigvals(np.corrcoef(gradients)).real + 1e-5
    return -float(np.sum(np.log(eigenvalues) + 1 / eigenvalues))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_eigenvalues_of_explicit_correlations(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert jacob_cov(network, batch) == pytest.approx(reference(network, batch), rel=1e-8, nan_ok=True)


def test_works_on_any_network() -> None:
    batch = random_batch(0)
    assert jacob_cov(other_network(), batch) == pytest.approx(reference(other_network(), batch), rel=1e-9)


def test_is_best_where_images_are_not_correlated() -> None:
    centred = torch.eye(8, dtype=torch.float64)[:4] - torch.eye(8, dtype=torch.float64)[4:]
    assert score_of_correlations(centred) == pytest.approx(-4, rel=1e-6)
    mixed = centred + 0.5 * centred.sum(0)
    assert score_of_correlations(mixed) < -4.1


def test_is_very_low_but_finite_where_images_are_the_same() -> None:
    gradients = torch.randn(3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert score_of_correlations(gradients[[0, 1, 1]]) == pytest.approx(-1e5, rel=1e-2)


def test_is_not_a_number_where_no_path_leads_from_input_to_output() -> None:
    assert math.isnan(jacob_cov(cell_network((0,) * 6, 0), random_batch(0)))
