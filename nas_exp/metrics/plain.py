"""`plain`: the loss's derivative when all weights grow together."""

from nas_exp.metrics.backward import LossGradients, loss_gradients
from nas_exp.metrics.passes import computed_from


@computed_from(loss_gradients)
def plain(found: LossGradients) -> float:
    """Return Σ θ ⊙ ∂L/∂θ over the weights θ of convolutions and linear layers, signs kept.

    L is the mean cross-entropy of the mini-batch.

    Source: Mozer and Smolensky, *Skeletonization* (1989), as in the code of Abdelfattah et al., *Zero-Cost Proxies for
    Lightweight NAS* (2021).
    """
    # The terms cancel, so their products and sums keep every digit that the gradients have
    pairs = zip(found.weights, found.gradients, strict=True)
    return float(sum((w.double() * g.double()).sum() for w, g in pairs))
