"""Plain forms of the metrics: a module network with hooks and the paper's formulas as written.

What the fast forms are measured against, and what they must equal.
"""

import copy

import torch
from torch import Tensor, nn

from nas_exp.metrics import Batch


def relu_per_layer(network: nn.Module, batch: Batch) -> float:
    """log|K_H|, summed over layers by hooks: K += C Cᵀ + (1 - C)(1 - C)ᵀ for the codes C of each ReLU."""
    kernel = torch.zeros(len(batch.images), len(batch.images))

    def add(_: nn.Module, inputs: tuple[Tensor]) -> None:
        codes = (inputs[0] > 0).flatten(1).float()
        kernel.add_(codes @ codes.T + (1 - codes) @ (1 - codes).T)

    with torch.no_grad():
        _run_hooked(network, batch, add)
    return _log_det(kernel)


def relu_concatenated(network: nn.Module, batch: Batch) -> float:
    """log|K_H| by the paper's equation 1 as written: one code an image over the whole network, and all distances."""
    codes: list[Tensor] = []
    with torch.no_grad():
        _run_hooked(network, batch, lambda _, inputs: codes.append((inputs[0] > 0).flatten(1).float()))
    code = torch.cat(codes, dim=1)
    distances = torch.cdist(code, code, p=0)
    return _log_det(code.shape[1] - distances)


def synflow(network: nn.Module, batch: Batch) -> float:
    """Σ|θ ⊙ ∂R/∂θ| (equations 3 and 4) by a backward pass through a copy whose weights are magnitudes."""
    linear = copy.deepcopy(network).double()
    for parent in list(linear.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    linear(batch.images.double()).sum().backward()
    weights = [module.weight for module in linear.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return sum((weight * weight.grad).abs().sum().item() for weight in weights if weight.grad is not None)


def grad_norm(network: nn.Module, batch: Batch) -> float:
    """Sum over layers of the Euclidean norm of the weight's gradient, from `backward()`."""
    network.zero_grad()
    nn.functional.cross_entropy(network(batch.images), batch.labels).backward()
    weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return sum(weight.grad.norm().item() for weight in weights if weight.grad is not None)


def convolutions_alone(network: nn.Module, batch: Batch) -> list[tuple[nn.Conv2d, Tensor]]:
    """Return every convolution with an input of the shape that it sees: what no implementation can leave out."""
    seen: list[tuple[nn.Conv2d, Tensor]] = []
    handles = [
        module.register_forward_pre_hook(lambda layer, inputs: seen.append((layer, inputs[0])))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(batch.images)
    for handle in handles:
        handle.remove()
    return seen


def _run_hooked(network: nn.Module, batch: Batch, hook: object) -> None:
    handles = [
        module.register_forward_pre_hook(hook)  # type: ignore[arg-type]
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    network(batch.images)
    for handle in handles:
        handle.remove()


def _log_det(kernel: Tensor) -> float:
    return float(torch.linalg.slogdet(kernel.double()).logabsdet)
