"""`grad_norm`: how strongly one mini-batch pulls at the weights of an untrained network."""

import torch
from torch import nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch


def grad_norm(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return the sum over convolutions and linear layers of the Euclidean norm of the weight's gradient.

    The loss is the mean cross-entropy of the mini-batch. Biases do not count, nor do layers that the loss does not
    depend on.

    Source: Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), section 3.2.
    """
    with torch.enable_grad():
        if isinstance(network, CellNetwork):
            leaves = {position: network.weights[position].detach().requires_grad_() for position in network.layers()}
            weights, logits = list(leaves.values()), network(batch.images, weights={**network.weights, **leaves})
        else:
            weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
            logits = network(batch.images)
        loss = nn.functional.cross_entropy(logits, batch.labels)
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    # One number leaves the device, not one a layer
    return float(sum(gradient.norm().double() for gradient in gradients if gradient is not None))
