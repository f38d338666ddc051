"""`synflow`: how much the weights of an untrained network pass on together, without data."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.metrics import Batch
from nas_exp.metrics.flow import FlowGradients, flow_gradients
from nas_exp.networks.cells import CellNetwork, add_up
from nas_exp.networks.interface import AnyNetwork


def synflow(network: AnyNetwork, batch: Batch) -> float:
    """Return Σ|θ ⊙ ∂R/∂θ| over the weights θ of convolutions and linear layers.

    R is the sum of the logits when every parameter is replaced by its absolute value and BatchNorm by the identity.
    Images must be ones, (1, 3, H, W). Labels are not used. A module is computed in float64; a cell network in the
    images' dtype with an exponent of its own, to six digits in float32. A score beyond the range of float64 is `inf`.

    Source: the paper's equations 3 and 4, from Tanaka et al., *Pruning neural networks without any data by iteratively
    conserving synaptic flow* (2020).
    """
    if isinstance(network, CellNetwork):
        return _forward_mode(network, batch.images)
    return sum_of_flows(flow_gradients(network, batch.images))


def sum_of_flows(found: FlowGradients) -> float:
    """Return Σ|θ ⊙ g| over the layers' magnitudes θ and gradients g."""
    return float(sum((w * g).abs().sum() for w, g in zip(found.magnitudes, found.gradients, strict=True)))


def _forward_mode(network: CellNetwork, images: Tensor) -> float:
    """Compute Σ θ ∂R/∂θ as the derivative of R((1 + ε)θ) at ε = 0, without a backward pass.

    All values are non-negative, so no absolute value is needed, every ReLU is the identity, and nothing cancels. A
    layer W maps x to Wx and the derivative d of x to W(d + x). The batch holds both inputs, x and x + d.
    """
    layers = network.layers()
    magnitudes = {position: network.weights[position].to(images.dtype).abs() for position in layers}
    exponent = 0

    def convolve(pair: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        pair = functional.conv2d(pair, weight, **geometry)
        # (Wx, W(d + x)) are the layer's value and derivative; the next layer's inputs are the value and their sum
        pair[1] += pair[0]
        return pair

    def rescale(pair: Tensor) -> Tensor:
        nonlocal exponent
        _, power = math.frexp(float(pair.max()))
        exponent += power
        return pair * 2.0**-power

    with torch.no_grad():
        pair = network.features(
            torch.cat([images, images]),
            weights=magnitudes,
            convolve=convolve,
            combine=add_up,
            after_block=rescale,
        )
        flow = float((magnitudes[layers[-1]] @ pair[1]).sum(dtype=torch.float64))
    try:
        return math.ldexp(flow, exponent)
    except OverflowError:
        return math.inf
