"""`relu`: how differently the images of a mini-batch activate the ReLUs of an untrained network."""

from torch import Tensor

from nas_exp.metrics.hamming_kernel import log_determinant, similarity
from nas_exp.metrics.passes import computed_from


@computed_from(similarity)
def relu(kernel: Tensor) -> float:
    """Return log|det K_H| over every ReLU of the network; `-inf` where K_H is singular. Labels are not used.

    Source: Mellor et al., *Neural Architecture Search without Training* (2021); the paper's equations 1 and 2.
    """
    return log_determinant(kernel)
