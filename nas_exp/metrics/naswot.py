"""`naswot`: `relu` over the ReLUs alone that a backward pass reaches."""

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import hamming_kernel, log_determinant
from nas_exp.networks.interface import AnyNetwork


def naswot(network: AnyNetwork, batch: Batch) -> float:
    """Return log|det K_H| over the ReLUs that a gradient of the logits reaches; `-inf` where K_H is singular.

    Labels are not used.

    Source: Mellor et al., *Neural Architecture Search without Training* (2021), as their code counts ReLUs.
    """
    return log_determinant(hamming_kernel(network, batch.images, reached_only=True))
