"""The backward passes that metrics share, each on either form of the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import agreements, codes_of
from nas_exp.networks.cells import CellNetwork

Watcher = Callable[[Tensor, Tensor], None]
"""Is shown the weight of a layer and its output."""


@dataclass(frozen=True, eq=False)
class LossGradients:
    """What one backward pass of a network's mean cross-entropy yields of its convolutions and linear layers.

    Of each layer, in the order of the network: `weights` and their `gradients`, of equal shape, and, if asked for,
    `saliences` (B, channels): the sum over pixels of a layer's output times the loss's gradient with respect to it.
    On a module every layer is there, with zeros for what the loss does not depend on; a cell network has those layers
    alone that a signal passes.
    """

    network: nn.Module | CellNetwork
    batch: Batch
    weights: Sequence[Tensor]
    gradients: Sequence[Tensor]
    saliences: Sequence[Tensor] = ()


@dataclass(frozen=True, eq=False)
class ImageGradients:
    """What one backward pass of the sum of all logits yields of the images."""

    gradients: Tensor
    """(B, 3HW), a row an image."""
    labels: Tensor
    """(B,)."""
    num_classes: int


def loss_gradients(network: nn.Module | CellNetwork, batch: Batch, *, saliences: bool = False) -> LossGradients:
    """Run one forward and backward pass of the mean cross-entropy of a mini-batch.

    Args:
        network: either form; it is left as it was.
        batch: the mini-batch.
        saliences: whether those are found, too.
    """
    return Forward(network, batch, weights=True, saliences=saliences).loss_gradients()


def image_gradients(network: nn.Module | CellNetwork, batch: Batch) -> ImageGradients:
    """Run one forward and backward pass of the sum of all logits of a mini-batch, for its images."""
    return Forward(network, batch, images=True).image_gradients()


class Forward:
    """One forward pass of a mini-batch, and the backward passes that can follow it. The network is left as it was."""

    def __init__(
        self,
        network: nn.Module | CellNetwork,
        batch: Batch,
        *,
        weights: bool = False,
        images: bool = False,
        saliences: bool = False,
        codes: bool = False,
    ) -> None:
        """Run the forward pass.

        Args:
            network: either form.
            batch: the mini-batch.
            weights: whether gradients with respect to weights are wanted.
            images: whether gradients with respect to images are.
            saliences: whether the loss's gradients are to have them.
            codes: whether K_H is wanted, which takes a cell network.
        """
        self._network, self._batch = network, batch
        self._images = batch.images.detach().requires_grad_(images)
        self._saliences = _Saliences() if saliences else None
        self._codes = codes_of(batch.images) if codes else None
        parts: dict[str, Any] = {} if self._codes is None else {"observe": self._codes.add}
        self._weights: list[Tensor] = []
        with torch.enable_grad():
            if weights:
                watch = None if self._saliences is None else self._saliences.watch
                self._weights, self._logits = layer_weights(network, self._images, watch=watch, **parts)
            else:
                self._logits = network(self._images, **parts)

    def loss_gradients(self, *, keep: bool = False) -> LossGradients:
        """Run the backward pass of the mean cross-entropy.

        Args:
            keep: whether another backward pass is to follow.
        """
        with torch.enable_grad():
            loss = functional.cross_entropy(self._logits, self._batch.labels)
        gradients = torch.autograd.grad(loss, self._weights, materialize_grads=True, retain_graph=keep)
        of_layers: list[Tensor] = []
        if self._saliences is not None:
            of_layers = [self._saliences.of(weight, len(self._batch.labels)) for weight in self._weights]
            self._saliences.stop()
        weights = [weight.detach() for weight in self._weights]
        return LossGradients(self._network, self._batch, weights, gradients, of_layers)

    def image_gradients(self) -> ImageGradients:
        """Run the backward pass of the sum of all logits; no other can follow."""
        with torch.enable_grad():
            total = self._logits.sum()
        if total.requires_grad:
            (gradients,) = torch.autograd.grad(total, [self._images], materialize_grads=True)
        else:
            gradients = torch.zeros_like(self._images)
        return ImageGradients(gradients.flatten(1), self._batch.labels, self._logits.shape[1])

    def similarity(self) -> Tensor:
        """Return K_H, as `hamming_kernel` does."""
        assert self._codes is not None
        return agreements(self._codes, self._images)


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
        self._stopped = False

    def watch(self, weight: Tensor, output: Tensor) -> None:
        value = output.detach()  # and not the output, which would keep itself alive through its hook

        def keep(gradient: Tensor) -> None:
            if self._stopped:
                return
            salience = (value * gradient).flatten(2).sum(2) if value.ndim > 2 else value * gradient
            self._found[weight] = self._found[weight] + salience if weight in self._found else salience

        if output.requires_grad:
            output.register_hook(keep)

    def stop(self) -> None:
        """Do not collect what later backward passes find."""
        self._stopped = True

    def of(self, weight: Tensor, batch_size: int) -> Tensor:
        """Return the saliences (B, channels) of a layer; zeros where the loss does not depend on it."""
        found = self._found.get(weight)
        return weight.new_zeros(batch_size, len(weight)) if found is None else found
