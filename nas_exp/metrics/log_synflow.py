"""`log_synflow`: `synflow` with the gradients' logarithms, so that no path outweighs all others."""

from nas_exp.metrics import Batch
from nas_exp.metrics.flow import FlowGradients, flow_gradients
from nas_exp.networks.interface import AnyNetwork


def log_synflow(network: AnyNetwork, batch: Batch) -> float:
    """Return Σ|θ| log(∂R/∂θ + 1) over the weights θ of convolutions and linear layers, natural logarithm.

    R is the sum of the logits when every parameter is replaced by its absolute value and BatchNorm by the identity, as
    in `synflow`. Images must be ones, (1, 3, H, W). Labels are not used. Computed in float64.

    Source: Cavagnero et al., *FreeREA: Training-Free Evolution-based Architecture Search* (2023), section 3.2.
    """
    return sum_of_logarithms(flow_gradients(network, batch.images))


def sum_of_logarithms(found: FlowGradients) -> float:
    """Return Σ|θ| log(g + 1) over the layers' magnitudes θ and gradients g."""
    return float(sum((w * g.log1p()).sum() for w, g in zip(found.magnitudes, found.gradients, strict=True)))
