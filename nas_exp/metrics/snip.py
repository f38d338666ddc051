"""`snip`: how much the loss would change if weights were taken away."""

from nas_exp.metrics.backward import LossGradients, loss_gradients
from nas_exp.metrics.passes import computed_from


@computed_from(loss_gradients)
def snip(found: LossGradients) -> float:
    """Return Σ|θ ⊙ ∂L/∂θ| over the weights θ of convolutions and linear layers.

    L is the mean cross-entropy of the mini-batch.

    Source: Lee et al., *SNIP: Single-shot Network Pruning based on Connection Sensitivity* (2019), equation 4, summed
    as in Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), section 3.2.
    """
    return float(sum((w * g).abs().sum().double() for w, g in zip(found.weights, found.gradients, strict=True)))
