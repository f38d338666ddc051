"""`synflow_bn`: `synflow` with BatchNorm in place."""

from torch import nn

from nas_exp.metrics import Batch
from nas_exp.metrics.flow import flow_gradients
from nas_exp.metrics.synflow import sum_of_flows
from nas_exp.networks.cells import CellNetwork


def synflow_bn(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return Σ|θ ⊙ ∂R/∂θ| over the weights θ of convolutions and linear layers.

    R is the sum of the logits when every parameter is replaced by its absolute value; the images are to be ones, shape
    (1, 3, H, W), labels are not used, and everything is computed in float64. `synflow` is the same with BatchNorm
    bypassed: with it, paths no longer multiply up, and what is left is how strongly the borders of the image of ones
    differ from its middle.

    Source: Tanaka et al., *Pruning neural networks without any data by iteratively conserving synaptic flow* (2020), as
    in the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), which has both.
    """
    return sum_of_flows(flow_gradients(network, batch.images, batch_norm=True))
