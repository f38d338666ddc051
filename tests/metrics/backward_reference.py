"""A full backward pass by `backward()`, the loss written out: what the metrics' shared passes are held against."""

import torch
from torch import Tensor, nn

from nas_exp.metrics import Batch


def cross_entropy(network: nn.Module, batch: Batch) -> Tensor:
    log_probabilities = network(batch.images).log_softmax(dim=1)
    return -log_probabilities[torch.arange(len(batch.labels)), batch.labels].mean()


def layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def weights_after_backward(network: nn.Module, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """The weights that the loss depends on, and their gradients."""
    network.zero_grad()
    cross_entropy(network, batch).backward()
    return [(layer.weight.detach(), layer.weight.grad) for layer in layers(network) if layer.weight.grad is not None]


def image_gradients(network: nn.Module, images: Tensor) -> Tensor:
    """The gradient of each image, one image's row after the other: shape (B, 3HW)."""
    images = images.clone().requires_grad_()
    network(images).sum().backward()
    assert images.grad is not None
    return images.grad.flatten(1)
