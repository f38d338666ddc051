"""`synflow_bn`: `synflow` with BatchNorm in place."""

from nas_exp.metrics import Batch
from nas_exp.metrics.flow import flow_gradients
from nas_exp.metrics.synflow import sum_of_flows
from nas_exp.networks.interface import AnyNetwork


def synflow_bn(network: AnyNetwork, batch: Batch) -> float:
    """Return Σ|θ ⊙ ∂R/∂θ| over the weights θ of convolutions and linear layers.

    R is the sum of the logits when every parameter is replaced by its absolute value; BatchNorm stays. Images must be
    ones, (1, 3, H, W). Labels are not used. Computed in float64.

    Source: Tanaka et al., *Pruning neural networks without any data by iteratively conserving synaptic flow* (2020), as
    in the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021).
    """
    return sum_of_flows(flow_gradients(network, batch.images, batch_norm=True))
