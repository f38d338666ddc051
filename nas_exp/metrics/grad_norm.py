"""`grad_norm`: how strongly one mini-batch pulls at the weights of an untrained network."""

from nas_exp.metrics.backward import LossGradients, loss_gradients
from nas_exp.metrics.passes import computed_from


@computed_from(loss_gradients)
def grad_norm(found: LossGradients) -> float:
    """Return the sum over convolutions and linear layers of the Euclidean norm of the weight's gradient.

    The loss is the mean cross-entropy of the mini-batch. Biases do not count.

    Source: Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), section 3.2.
    """
    # One number leaves the device, not one for each layer
    return float(sum(gradient.norm().double() for gradient in found.gradients))
