"""`grad_norm`: how strongly one mini-batch pulls at the weights of an untrained network."""

from torch import nn

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import LossGradients, loss_gradients


def grad_norm(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return the sum over convolutions and linear layers of the Euclidean norm of the weight's gradient.

    The loss is the mean cross-entropy of the mini-batch. Biases do not count, nor do layers that the loss does not
    depend on.

    Source: Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), section 3.2.
    """
    return sum_of_norms(loss_gradients(network, batch))


def sum_of_norms(found: LossGradients) -> float:
    """Return Σ‖g‖ over the layers' gradients g."""
    # One number leaves the device, not one a layer
    return float(sum(gradient.norm().double() for gradient in found.gradients))
