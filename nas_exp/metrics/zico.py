"""`zico`: how steadily different mini-batches pull at the weights of an untrained network."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from nas_exp.bounds import AtLeast
from nas_exp.errors import InputError
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import loss_gradients
from nas_exp.networks.interface import AnyNetwork


def zico(network: AnyNetwork, batch: Batch, *, batches: Annotated[int, AtLeast(2)]) -> float:
    """Return Σ log Σ mean|g| / std(g): over convolutions and linear layers, of the sum over a layer's weights.

    g is the gradient of the mean cross-entropy with respect to a weight. Mean and standard deviation (dividing by n)
    are over `batches` equal parts of the mini-batch, with a pass each. Weights with a deviation of 0 do not count, nor
    do layers that have no others.

    Args:
        network: any network.
        batch: the mini-batch, B images.
        batches: the number of parts; it must divide B.

    Raises:
        InputError: the mini-batch cannot be split into so many equal parts.

    Source: Li et al., *ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients* (2023), equation 6.
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
