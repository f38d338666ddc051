"""The backward passes that metrics share, each on either form of the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_exp.cells import CellNetwork
from nas_exp.metrics import Batch

Watcher = Callable[[Tensor, Tensor], None]
"""Is shown the weight of a layer and its output."""


@dataclass(frozen=True, eq=False)
class LossGradients:
    """What one backward pass of the mean cross-entropy yields of convolutions and linear layers.

    Of each layer, in the order of the network: `weights` and their `gradients`, of equal shape, and, if asked for,
    `saliences` (B, channels): the sum over pixels of a layer's output times the loss's gradient with respect to it.
    On a module every layer is there, with zeros for what the loss does not depend on; a cell network has those layers
    alone that a signal passes.
    """

    weights: Sequence[Tensor]
    gradients: Sequence[Tensor]
    saliences: Sequence[Tensor] = ()


def loss_gradients(network: nn.Module | CellNetwork, batch: Batch, *, saliences: bool = False) -> LossGradients:
    """Run one forward and backward pass of the mean cross-entropy of a mini-batch.

    Args:
        network: either form; it is left as it was.
        batch: the mini-batch.
        saliences: whether those are found, too.
    """
    found = _Saliences()
    with torch.enable_grad():
        weights, logits = layer_weights(network, batch.images, watch=found.watch if saliences else None)
        loss = functional.cross_entropy(logits, batch.labels)
    gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
    of_layers = [found.of(weight, len(batch.labels)) for weight in weights] if saliences else ()
    return LossGradients([weight.detach() for weight in weights], gradients, of_layers)


def input_gradients(network: nn.Module | CellNetwork, images: Tensor) -> Tensor:
    """Return the gradient of the sum of all logits with respect to the images: shape (B, 3HW), a row an image."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        total = network(images).sum()
    if not total.requires_grad:
        return torch.zeros_like(images).flatten(1)
    (gradient,) = torch.autograd.grad(total, [images], materialize_grads=True)
    return gradient.flatten(1)


def layer_weights(
    network: nn.Module | CellNetwork, images: Tensor, *, watch: Watcher | None = None, **parts: Any
) -> tuple[list[Tensor], Tensor]:
    """Return the weights of the convolutions and linear layers, for derivatives, and the logits as their function.

    Args:
        network: either form.
        images: (B, 3, H, W).
        watch: is shown the weight and the output of each of these layers as soon as it is computed.
        parts: what a cell network is to compute with, as `CellNetwork.features` takes it.
    """
    if isinstance(network, CellNetwork):
        leaves = {position: network.weights[position].detach().requires_grad_() for position in network.layers()}
        if watch is not None:
            parts["convolve"] = _watched(watch)
        logits = network(images, weights={**network.weights, **leaves}, **parts)
        weights = list(leaves.values())
        if watch is not None:
            watch(weights[-1], logits)
        return weights, logits
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]

    def show(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> None:
        assert watch is not None
        watch(layer.weight, output)

    handles = [layer.register_forward_hook(show) for layer in layers if watch is not None]
    try:
        return [layer.weight for layer in layers], network(images)
    finally:
        for handle in handles:
            handle.remove()


def _watched(watch: Watcher) -> Callable[..., Tensor]:
    def convolve(x: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        output = functional.conv2d(x, weight, **geometry)
        watch(weight, output)
        return output

    return convolve


class _Saliences:
    """Collects output times gradient, summed over pixels, as soon as the backward pass knows a gradient."""

    def __init__(self) -> None:
        self._found: dict[Tensor, Tensor] = {}

    def watch(self, weight: Tensor, output: Tensor) -> None:
        value = output.detach()  # and not the output, which would keep itself alive through its hook

        def keep(gradient: Tensor) -> None:
            salience = (value * gradient).flatten(2).sum(2) if value.ndim > 2 else value * gradient
            self._found[weight] = self._found[weight] + salience if weight in self._found else salience

        if output.requires_grad:
            output.register_hook(keep)

    def of(self, weight: Tensor, batch_size: int) -> Tensor:
        """Return the saliences (B, channels) of a layer; zeros where the loss does not depend on it."""
        found = self._found.get(weight)
        return weight.new_zeros(batch_size, len(weight)) if found is None else found
