import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.metrics.meco import meco, smallest_eigenvalue
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.modules import Network
from tests.metrics.live_layers import live_cells, live_modules
from tests.metrics.networks import SEEDS, SPECS, cell_network, random_batch


def reference(network: Network, batch: Batch) -> float:
    """By singular values of the standardised channels."""
    found = []

    def watch(_: object, __: object, output: Tensor) -> None:
        channels = output[0].detach().flatten(1).numpy()
        rows = channels - channels.mean(1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        singular = np.linalg.svd(rows / np.where(norms > 0, norms, 1), compute_uv=False)
        found.append(0.0 if rows.shape[0] >= rows.shape[1] else singular[-1] ** 2)

    for module in live_modules(network):
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(watch)
    network(batch.images[:1])
    return float(sum(found))


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_smallest_singular_values_of_standardised_channels(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert meco(live_cells(network), batch) == pytest.approx(reference(network, batch), rel=1e-6, abs=1e-9)


def test_a_constant_channel_leaves_nothing() -> None:
    assert smallest_eigenvalue(torch.tensor([[1.0, 1, 1], [1, 2, 4]])) == 0
