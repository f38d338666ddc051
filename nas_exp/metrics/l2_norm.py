"""`l2_norm`: how large the weights are. Needs neither images nor a pass."""

from torch import nn

from nas_exp.metrics import Batch


def l2_norm(network: nn.Module, batch: Batch) -> float:
    """Return Σ‖θ‖, the sum over convolutions and linear layers of the Euclidean norm of the weight.

    Layers that lead nowhere count, so it takes a module; the mini-batch is not used. A layer's weights come from the
    same distribution in every network, so it is the number of layers, each weighted with the width of its stage.

    Source: Abdelfattah et al., *Zero-Cost Proxies for Lightweight NAS* (2021), whose code has it as a baseline.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return float(sum(layer.weight.detach().norm().double() for layer in layers))
