"""`synflow`: how much the weights of an untrained network pass on together, without data."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas_exp.metrics import Batch


def synflow(network: nn.Module, batch: Batch) -> float:
    """Return Σ|θ ⊙ ∂R/∂θ| over the weights θ of convolutions and linear layers, in float64.

    R is the sum of the logits when every parameter is replaced by its absolute value and BatchNorm by the identity.
    The images are to be ones, shape (1, 3, H, W), in any dtype; labels are not used.

    Source: the paper's equations 3 and 4, from Tanaka et al., *Pruning neural networks without any data by iteratively
    conserving synaptic flow* (2020); summed over the layers as in Abdelfattah et al., *Zero-Cost Proxies for
    Lightweight NAS* (2021).
    """
    layer_weights = {layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    magnitudes = {name: p.detach().to(torch.float64).abs() for name, p in network.named_parameters()}
    weights = [magnitudes[name].requires_grad_() for name, p in network.named_parameters() if p in layer_weights]
    with torch.enable_grad(), _without_batch_norm(network):
        flow = functional_call(network, magnitudes, (batch.images.to(torch.float64),)).sum()
    gradients = torch.autograd.grad(flow, weights, allow_unused=True)
    saliences = [w.detach() * g for w, g in zip(weights, gradients, strict=True) if g is not None]
    return float(sum(salience.abs().sum() for salience in saliences))


@contextmanager
def _without_batch_norm(network: nn.Module) -> Iterator[None]:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.forward = _identity  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _identity(x: Tensor) -> Tensor:
    return x
