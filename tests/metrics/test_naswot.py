import pytest
import torch
from hypothesis import given, settings
from torch import nn

from nas_exp.metrics.naswot import naswot
from nas_exp.metrics.relu import relu
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.interface import reached_relus
from tests.metrics.hamming_reference import all_relus, log_det_kernel
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_relu_in_the_space_because_none_is_a_product_with_zero(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert reached_relus(network, batch.images) == set(all_relus(network))
    assert naswot(network, batch) == relu(network, batch)


@pytest.mark.parametrize("frozen", [False, True])
def test_leaves_out_relus_that_the_logits_do_not_depend_on(frozen: bool) -> None:
    network, batch = other_network().requires_grad_(not frozen), random_batch(0)
    reached = [network.relu, network.hidden_relu]
    assert reached_relus(network, batch.images) == set(reached)
    expected = log_det_kernel(network.requires_grad_(False), batch, reached)
    assert naswot(network, batch) == pytest.approx(expected, rel=1e-12)
    assert naswot(network, batch) != pytest.approx(relu(network, batch), rel=1e-3)


def test_counts_no_relu_where_the_logits_are_constant() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.relu(images)
            return torch.zeros(len(images), 10)

    assert reached_relus(Constant(), random_batch(0).images) == set()


def test_works_where_the_caller_has_disabled_gradients() -> None:
    network, batch = other_network(), random_batch(0)
    with torch.no_grad():
        assert len(reached_relus(network, batch.images)) == 2
