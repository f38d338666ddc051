"""The backward passes that metrics share."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.metrics import Batch
from nas_exp.metrics.hamming_kernel import agreements, codes_of
from nas_exp.networks.interface import AnyNetwork, UntrainedNetwork, as_network


@dataclass(frozen=True, eq=False)
class LossGradients:
    """Results of a backward pass of the mean cross-entropy, for each convolution and linear layer in order.

    A module has all its layers, with zeros where the loss does not depend on them; a cell network those alone that a
    signal passes.
    """

    network: UntrainedNetwork
    batch: Batch
    weights: Sequence[Tensor]
    gradients: Sequence[Tensor]
    """Of the shapes of the weights."""
    saliences: Sequence[Tensor] = ()
    """(B, channels) each, if asked for: the sum over pixels of a layer's output times its gradient."""


@dataclass(frozen=True, eq=False)
class ImageGradients:
    """Results of a backward pass of the sum of all logits, for the images."""

    gradients: Tensor
    """(B, 3HW), a row for each image."""
    labels: Tensor
    """(B,)."""
    num_classes: int


def loss_gradients(network: AnyNetwork, batch: Batch, *, saliences: bool = False) -> LossGradients:
    """Run a forward and a backward pass of the mean cross-entropy of a mini-batch.

    Args:
        network: any network; it is left as it was.
        batch: the mini-batch.
        saliences: whether the result has saliences.
    """
    return Forward(network, batch, weights=True, saliences=saliences).loss_gradients()


def image_gradients(network: AnyNetwork, batch: Batch) -> ImageGradients:
    """Run a forward and a backward pass of the sum of all logits of a mini-batch, for its images."""
    return Forward(network, batch, images=True).image_gradients()


class Forward:
    """One forward pass of a mini-batch, and the backward passes that can follow it. The network is left as it was."""

    def __init__(
        self,
        network: AnyNetwork,
        batch: Batch,
        *,
        weights: bool = False,
        images: bool = False,
        saliences: bool = False,
        codes: bool = False,
    ) -> None:
        """Run the forward pass.

        Args:
            network: any network.
            batch: the mini-batch.
            weights: whether `loss_gradients` is to follow.
            images: whether `image_gradients` is.
            saliences: whether the loss's gradients are to have them.
            codes: whether `similarity` is to follow.
        """
        self._network, self._batch = as_network(network), batch
        self._images = batch.images.detach().requires_grad_(images)
        self._saliences = _Saliences() if saliences else None
        self._codes = codes_of(batch.images) if codes else None
        observe = None if self._codes is None else self._codes.add
        self._weights: list[Tensor] = []
        with torch.enable_grad():
            if weights:
                watch = None if self._saliences is None else self._saliences.watch
                self._weights, self._logits = self._network.weights_and_logits(
                    self._images, watch=watch, observe=observe
                )
            else:
                self._logits = self._network(self._images, observe=observe)

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


class _Saliences:
    """Collects output times gradient, summed over pixels, during a backward pass."""

    def __init__(self) -> None:
        self._found: dict[Tensor, Tensor] = {}
        self._stopped = False

    def watch(self, weight: Tensor, output: Tensor) -> None:
        value = output.detach()  # the output itself would be kept alive by its own hook

        def keep(gradient: Tensor) -> None:
            if self._stopped:
                return
            salience = (value * gradient).flatten(2).sum(2) if value.ndim > 2 else value * gradient
            self._found[weight] = self._found[weight] + salience if weight in self._found else salience

        if output.requires_grad:
            output.register_hook(keep)

    def stop(self) -> None:
        """Ignore later backward passes."""
        self._stopped = True

    def of(self, weight: Tensor, batch_size: int) -> Tensor:
        """Return the saliences (B, channels) of a layer; zeros where the loss does not depend on it."""
        found = self._found.get(weight)
        return weight.new_zeros(batch_size, len(weight)) if found is None else found
