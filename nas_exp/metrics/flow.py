"""The backward pass that SynFlow and its relatives share: of the sum of the logits, with magnitudes for weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas_exp.networks.interface import AnyNetwork, as_network


@dataclass(frozen=True, eq=False)
class FlowGradients:
    """Of each convolution and linear layer, the magnitudes of its weights and R's gradients: float64, equal shapes."""

    magnitudes: Sequence[Tensor]
    gradients: Sequence[Tensor]


def flow_gradients(network: AnyNetwork, images: Tensor, *, batch_norm: bool = False) -> FlowGradients:
    """Return the gradients of R, the sum of the logits when every parameter is replaced by its absolute value.

    Args:
        network: any network; everything is computed in float64, whatever its dtype.
        images: ones, (1, 3, H, W).
        batch_norm: whether BatchNorm, on batch statistics, is computed; otherwise it is the identity.
    """
    with torch.enable_grad():
        weights, logits = as_network(network).magnitudes_and_logits(images.to(torch.float64), batch_norm=batch_norm)
    gradients = torch.autograd.grad(logits.sum(), weights, materialize_grads=True)
    return FlowGradients([weight.detach() for weight in weights], gradients)
