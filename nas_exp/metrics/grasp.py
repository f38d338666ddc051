"""`grasp`: how much the gradient would lose in size if weights were taken away."""

import torch
from torch.nn import functional

from nas_exp.metrics.backward import LossGradients, loss_gradients
from nas_exp.metrics.curvature import growth_of_slope
from nas_exp.metrics.passes import computed_from
from nas_exp.networks.cells import CellNetwork


@computed_from(loss_gradients)
def grasp(found: LossGradients) -> float:
    """Return -Σ θ ⊙ Hg over the weights θ of convolutions and linear layers.

    g and H are the first and second derivatives of the mean cross-entropy with respect to these weights. A module takes
    a backward pass through a backward pass; a cell network takes one forward pass once g is known (`curvature`).

    Source: Wang et al., *Picking Winning Tickets Before Training by Preserving Gradient Flow* (2020), equation 8, with
    the sign of the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021).
    """
    network, batch = found.network, found.batch
    if isinstance(network, CellNetwork):
        grown = growth_of_slope(network, batch, dict(zip(network.layers(), found.gradients, strict=True)))
        return float(sum(g.double().square().sum() for g in found.gradients)) - grown
    with torch.enable_grad():
        weights, logits = network.weights_and_logits(batch.images)
        loss = functional.cross_entropy(logits, batch.labels)
        gradients = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
        products = [(gradient * gradient.detach()).sum() for gradient in gradients]
    curvatures = torch.autograd.grad(torch.stack(products).sum(), weights, materialize_grads=True)
    pairs = zip(weights, curvatures, strict=True)
    return -float(sum((w.detach().double() * c.double()).sum() for w, c in pairs))
