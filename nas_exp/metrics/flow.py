"""The backward pass that SynFlow and its relatives share: of the sum of the logits, with magnitudes for weights."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas_exp.metrics.backward import layer_weights
from nas_exp.networks.cells import CellNetwork
from nas_exp.networks.layers import plain_normalised_sum


@dataclass(frozen=True, eq=False)
class FlowGradients:
    """Of each convolution and linear layer, the magnitudes of its weights and R's gradients: float64, equal shapes."""

    magnitudes: Sequence[Tensor]
    gradients: Sequence[Tensor]


def flow_gradients(network: nn.Module | CellNetwork, images: Tensor, *, batch_norm: bool = False) -> FlowGradients:
    """Find the gradients of R, the sum of the logits when every parameter is replaced by its absolute value.

    Args:
        network: either form; everything is computed in float64, whatever its dtype.
        images: ones, (1, 3, H, W).
        batch_norm: whether BatchNorm, on batch statistics, is computed or is the identity.
    """
    images = images.to(torch.float64)
    with torch.enable_grad():
        if isinstance(network, CellNetwork):
            cells = network.with_weights(lambda weight: weight.detach().to(torch.float64).abs())
            weights, logits = layer_weights(cells, images, combine=plain_normalised_sum if batch_norm else add_up)
        else:
            layers = {layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
            magnitudes = {name: p.detach().to(torch.float64).abs() for name, p in network.named_parameters()}
            weights = [magnitudes[name].requires_grad_() for name, p in network.named_parameters() if p in layers]
            with _batch_norm(network, batch_norm):
                logits = functional_call(network, magnitudes, (images,))
    gradients = torch.autograd.grad(logits.sum(), weights, materialize_grads=True)
    return FlowGradients([weight.detach() for weight in weights], gradients)


def add_up(convolved: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Add up all tensors, BatchNorm being left out; into the first of `convolved`, which nobody else holds."""
    if not convolved:
        return functools.reduce(torch.add, others)
    first, *rest = convolved
    for x in (*rest, *others):
        first += x
    return first


@contextmanager
def _batch_norm(network: nn.Module, kept: bool) -> Iterator[None]:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and not kept]
    for norm in norms:
        norm.forward = _identity  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _identity(x: Tensor) -> Tensor:
    return x
