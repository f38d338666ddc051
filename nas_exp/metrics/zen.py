"""`zen`: how strongly the features of an untrained network react to its input, without data."""

import functools
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from nas_exp.bounds import AtLeast
from nas_exp.metrics import Batch
from nas_exp.networks.cells import CellNetwork
from nas_exp.networks.layers import memory_format, normalised_sum


def zen(
    network: CellNetwork,
    batch: Batch,
    *,
    samples: Annotated[int, AtLeast(2)],
    gamma: Annotated[float, AtLeast(0)],
    noise_seed: Annotated[int, AtLeast(0)],
) -> float:
    """Return log mean‖f(x) - f(x + gamma ε)‖₁ + Σ log s over the BatchNorms that a signal passes, natural logarithms.

    x and ε are `samples` images of normal noise each, (samples, 3, H, W). f maps them to the features that are averaged
    for the classifier, (samples, 4C, H/4, W/4), whose norm is taken image by image. s² is the mean over channels of the
    variance that a BatchNorm finds in x. The weights of each layer are first scaled to a mean square of 1. `-inf` where
    nothing leads from input to output.

    Args:
        network: the fast form (`network: live_cells`); in others BatchNorms that lead nowhere would count.
        batch: ones, (1, 3, H, W), of which only the size is used.
        samples: images of noise.
        gamma: how far the input is moved.
        noise_seed: of the images.

    Source: Lin et al., *Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition* (2021), algorithm 1.
    """
    x, noise = _noise(samples, tuple(batch.images.shape[1:]), noise_seed, batch.images.dtype, str(batch.images.device))
    scaled = network.with_weights(lambda weight: weight / weight.square().mean().sqrt())
    with torch.no_grad():
        features, logarithms = _features(scaled, x)
        moved, _ = _features(scaled, x + gamma * noise)
        reaction = (moved - features).abs().sum((1, 2, 3), dtype=torch.float64).mean()
    return float(reaction.log() + logarithms)


def _features(network: CellNetwork, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features that are averaged for the classifier, and Σ log s over the BatchNorms."""
    rectified = images
    variances: list[Tensor] = []

    def combine(convolved: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        variances.extend(y.var((0, 2, 3), correction=0).mean() for y in convolved)
        return normalised_sum(convolved, others)

    def observe(output: Tensor, _: int) -> None:
        nonlocal rectified
        rectified = output  # the last one stays

    network.features(images, combine=combine, observe=observe)
    return rectified, torch.stack(variances).double().log().sum() / 2


@functools.lru_cache(maxsize=10)
def _noise(samples: int, shape: tuple[int, ...], seed: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Draw two batches of normal noise (samples, *shape). Kept for the process; they must not be changed."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(samples, *shape, dtype=torch.float64, generator=generator) for _ in range(2))
    layout = memory_format(first.to(device))
    x, noise = (y.to(device=device, dtype=dtype).contiguous(memory_format=layout) for y in (first, second))
    return x, noise
