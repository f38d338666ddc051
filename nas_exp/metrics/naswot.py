"""`naswot`: `relu` over the ReLUs alone that a backward pass reaches."""

import torch
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import hamming_kernel, log_determinant
from nas_exp.networks.cells import CellNetwork


def naswot(network: nn.Module | CellNetwork, batch: Batch) -> float:
    """Return log|det K_H| over the ReLUs that the logits depend on; `-inf` where K_H is singular. Labels are not used.

    Source: Mellor et al., *Neural Architecture Search without Training* (2021), as their code counts ReLUs. It differs
    from `relu` only where the graph is cut: a product with zero, such as the operation `none`, does not cut it.
    """
    # In a cell network every ReLU is reached, since every node has edges to the output
    relus = None if isinstance(network, CellNetwork) else reached_relus(network, batch.images)
    return log_determinant(hamming_kernel(network, batch.images, relus))


def reached_relus(network: nn.Module, images: Tensor) -> set[nn.ReLU]:
    """Return the ReLU modules that a backward pass from the logits reaches; two of the images (B, 3, H, W) suffice."""
    outputs: list[tuple[nn.ReLU, Tensor]] = []
    handles = [
        module.register_forward_hook(lambda relu, _, output: outputs.append((relu, output)))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        with torch.enable_grad():
            # A graph through every layer, even if the parameters are frozen
            total = network(images[:2].detach().requires_grad_()).sum()
    finally:
        for handle in handles:
            handle.remove()
    attached = [(relu, output) for relu, output in outputs if output.requires_grad]
    if not attached or not total.requires_grad:
        return set()
    gradients = torch.autograd.grad(total, [output for _, output in attached], allow_unused=True)
    return {relu for (relu, _), gradient in zip(attached, gradients, strict=True) if gradient is not None}
