"""`plain`: the loss's derivative when all weights grow together."""

from torch import nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import LossGradients, loss_gradients


def plain(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return Σ θ ⊙ ∂L/∂θ over the weights θ of convolutions and linear layers, signs kept.

    L is the mean cross-entropy of the mini-batch. `snip` adds up the magnitudes of the same terms. A batch
    normalisation behind a layer makes the terms of that layer cancel (the loss does not change with its scale), so what
    is left comes from the classifier and from convolutions without one.

    Source: Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), in whose code it is the baseline of
    salience; from Mozer and Smolensky, *Skeletonization* (1989).
    """
    return sum_of_signed_saliences(loss_gradients(network, batch))


def sum_of_signed_saliences(found: LossGradients) -> float:
    """Return Σ θ ⊙ g over the layers' weights θ and gradients g."""
    # The terms cancel, so their products and sums keep every digit that the gradients have
    pairs = zip(found.weights, found.gradients, strict=True)
    return float(sum((w.double() * g.double()).sum() for w, g in pairs))
