"""`l2_norm`: how large the weights are. Needs neither images nor a pass."""

from torch import nn

from nas_exp.metrics import Batch


def l2_norm(network: nn.Module, batch: Batch) -> float:
    """Return Σ‖θ‖, the sum over convolutions and linear layers of the Euclidean norm of the weight.

    It takes a module, as layers that lead nowhere count. The mini-batch is not used.

    Source: the code of Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021).
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return float(sum(layer.weight.detach().norm().double() for layer in layers))
