import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.func import functional_call

from nas_exp.metrics import Batch
from nas_exp.metrics.grasp import grasp
from nas_exp.networks.cell_graph import Spec
from tests.metrics.backward_reference import layers
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> float:
    """-θᵀHg is minus the derivative of half of ‖g‖² when all weights grow together."""
    weights = [layer.weight for layer in layers(network)]
    growth = torch.ones((), dtype=torch.float64, requires_grad=True)
    names = {id(p): name for name, p in network.named_parameters()}
    grown = {names[id(weight)]: weight * growth for weight in weights}
    log_probabilities = functional_call(network, grown, (batch.images,)).log_softmax(dim=1)
    loss = -log_probabilities[torch.arange(len(batch.labels)), batch.labels].mean()
    gradients = torch.autograd.grad(loss, list(grown.values()), create_graph=True, allow_unused=True)
    size = sum(gradient.square().sum() for gradient in gradients if gradient is not None) / 2
    assert isinstance(size, torch.Tensor)
    return -float(torch.autograd.grad(size, growth)[0])


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_equals_the_hessian_times_the_gradient(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    assert grasp(network, batch) == pytest.approx(reference(network, batch), rel=1e-9, abs=1e-12)


def test_works_on_any_network() -> None:
    batch = random_batch(0)
    assert grasp(other_network(), batch) == pytest.approx(reference(other_network(), batch), rel=1e-9)
