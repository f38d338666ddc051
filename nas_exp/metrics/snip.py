"""`snip`: how much the loss would change if weights were taken away."""

from torch import nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import LossGradients, loss_gradients


def snip(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return Σ|θ ⊙ ∂L/∂θ| over the weights θ of convolutions and linear layers.

    L is the mean cross-entropy of the mini-batch. `plain` is the same sum without the absolute value, `synflow` the
    same without data, for magnitudes of weights and the sum of the logits.

    Source: Lee et al., *SNIP: Single-shot Network Pruning based on Connection Sensitivity* (2019), equation 4, which
    divides by this sum; summed over the network as in Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS*
    (2021), section 3.2.
    """
    return sum_of_saliences(loss_gradients(network, batch))


def sum_of_saliences(found: LossGradients) -> float:
    """Return Σ|θ ⊙ g| over the layers' weights θ and gradients g."""
    return float(sum((w * g).abs().sum().double() for w, g in zip(found.weights, found.gradients, strict=True)))
