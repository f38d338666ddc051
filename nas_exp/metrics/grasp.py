"""`grasp`: how much the gradient would lose in size if weights were taken away."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nas_exp.cells import CellNetwork
from nas_exp.layers import plain_normalised_sum
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import layer_weights


def grasp(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return -Σ θ ⊙ Hg over the weights θ of convolutions and linear layers.

    g and H are the first and the second derivatives of the mean cross-entropy with respect to all these weights; Hg is
    the gradient of g·c with the constant c set to g. It is the only metric here that sees curvature, at the price of a
    backward pass through a backward pass.

    Source: Wang et al., *Picking Winning Tickets Before Training by Preserving Gradient Flow* (2020), equation 8, with
    the sign under which it goes along with accuracy, as in the code of Abdelfattah et al., *Zero-Cost Proxies for
    Lightweight NAS* (2021).
    """
    # The fused BatchNorm of cell networks has no second derivative
    parts: dict[str, Any] = {"combine": plain_normalised_sum} if isinstance(network, CellNetwork) else {}
    with torch.enable_grad():
        weights, logits = layer_weights(network, batch.images, **parts)
        loss = functional.cross_entropy(logits, batch.labels)
        gradients = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
        products = [(gradient * gradient.detach()).sum() for gradient in gradients]
    curvatures = torch.autograd.grad(torch.stack(products).sum(), weights, materialize_grads=True)
    pairs = zip(weights, curvatures, strict=True)
    return -float(sum((w.detach().double() * c.double()).sum() for w, c in pairs))
