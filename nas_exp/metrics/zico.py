"""`zico`: how steadily different mini-batches pull at the weights of an untrained network."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from nas_exp.bounds import AtLeast
from nas_exp.errors import InputError
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import loss_gradients
from nas_exp.networks.cells import CellNetwork


def zico(network: nn.Module | CellNetwork, batch: Batch, *, batches: Annotated[int, AtLeast(2)]) -> float:
    """Return Σ log Σ mean|g| / std(g): over convolutions and linear layers, of the sum over a layer's weights.

    g is the gradient of the mean cross-entropy with respect to a weight; mean and standard deviation (dividing by
    n) are over `batches` equal parts of the mini-batch, each with a pass of its own. Weights with a deviation of 0 do
    not count, nor do layers that have none but those. `grad_norm` looks at the gradients' size, this at the inverse of
    their coefficient of variation.

    Args:
        network: either form.
        batch: the mini-batch, B images.
        batches: in how many parts it is split; B has to be a multiple.

    Raises:
        InputError: the mini-batch cannot be split into so many equal parts.

    Source: Li et al., *ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients* (2023), equation 6, with
    the deviation of g itself, as in the authors' code.
    """
    return inverse_variation([loss_gradients(network, part).gradients for part in split(batch, batches)])


def split(batch: Batch, batches: int) -> list[Batch]:
    """Split a mini-batch into equal parts, in order.

    Raises:
        InputError: it cannot be split into so many equal parts.
    """
    size, rest = divmod(len(batch.labels), batches)
    if rest or not size:
        raise InputError(f"metric.batches={batches}: expected a divisor of the batch size, {len(batch.labels)}")
    return [Batch(*part) for part in zip(batch.images.split(size), batch.labels.split(size), strict=True)]


def inverse_variation(gradients: Sequence[Sequence[Tensor]]) -> float:
    """Return `zico` of the layers' gradients in each pass."""
    score = 0.0
    for layer in zip(*gradients, strict=True):
        g = torch.stack([gradient.flatten() for gradient in layer]).double()
        mean, deviation = g.abs().mean(0), g.std(0, correction=0)
        total = float((mean / deviation)[deviation > 0].sum())
        if total > 0:
            score += math.log(total)
    return score
