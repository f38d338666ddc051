"""`vkdnw`: how evenly an untrained network's predictions depend on its layers; more layers come first."""

import functools
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.bounds import AtLeast
from nas_exp.metrics import Batch
from nas_exp.networks.cells import CellNetwork


def vkdnw(
    network: CellNetwork,
    batch: Batch,
    *,
    directions: Annotated[int, AtLeast(1)],
    noise_seed: Annotated[int, AtLeast(0)],
) -> float:
    """Return the number of layers that a signal passes plus the entropy of the Fisher information's eigenvalues.

    The entropy is -Σ q log q over the nine deciles of the eigenvalues, divided by their sum, at most log 9; 0 where all
    are 0. The Fisher information matrix is F = mean over images of Jᵀ(diag(p) - ppᵀ)J, (L, L), for the first weight of
    each of the L convolutions and linear layers. J are the (classes, L) derivatives of an image's logits, p its
    predicted probabilities. BatchNorm's mean and variance count as constants. Labels are not used.

    Args:
        network: the fast form (`network: live_cells`); in others layers that lead nowhere would count.
        batch: the mini-batch, B images.
        directions: F is the mean of (vᵀJ)ᵀ(vᵀJ) over so many random v for each image, which have the expectation 0 and
            the covariance diag(p) - ppᵀ; its rank is at most B times this.
        noise_seed: of these directions.

    Source: Tybl and Neumann, *Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
    Weights* (2025), equations 8 to 12.
    """
    jacobian = weighted_jacobian(network, batch.images, directions=directions, noise_seed=noise_seed).double()
    fisher = jacobian.T @ jacobian / len(jacobian)
    return len(network.layers()) + entropy_of_deciles(torch.linalg.eigvalsh(fisher.cpu()))


def entropy_of_deciles(eigenvalues: Tensor) -> float:
    """Return -Σ q log q over the nine deciles of eigenvalues (L,), divided by their sum; 0 where all are 0."""
    tenths = torch.arange(1, 10, dtype=eigenvalues.dtype) / 10
    # rounding may leave what should be zero below it
    deciles = torch.quantile(eigenvalues.clamp(min=0), tenths)
    return float(torch.special.entr(deciles / deciles.sum()).sum()) if deciles.any() else 0.0


def weighted_jacobian(network: CellNetwork, images: Tensor, *, directions: int, noise_seed: int) -> Tensor:
    """Return vᵀJ, the derivatives of v·logits by the first weight of each layer: shape (directions * B, L)."""
    probe = _FirstWeights()
    with torch.enable_grad():
        features = network.features(images, convolve=probe.convolve, combine=constant_normalised_sum)
        logits = network.classify(features)
    v = _directions(logits.detach(), directions, noise_seed)
    rows = []
    for one in v:
        derivatives = probe.derivatives(logits, one)
        rows.append(torch.stack([*derivatives, one[:, 0] * features[:, 0].detach()], dim=1))
    return torch.cat(rows)


class _FirstWeights:
    """Collects the derivative by each convolution's first weight while a backward pass runs."""

    def __init__(self) -> None:
        self._stem: Tensor | None = None
        self._found: list[Tensor | None] = []

    def convolve(self, x: Tensor, weight: Tensor, *, stride: int, padding: int) -> Tensor:
        y = functional.conv2d(x, weight, stride=stride, padding=padding)
        if self._stem is None:
            self._stem = y.requires_grad_()
        # the first weight joins the first channels, of a kernel of 3 x 3 with the pixel a row up and a column left
        padded = functional.pad(x.detach()[:, 0], (padding, 0, padding, 0))
        met = padded[:, ::stride, ::stride][:, : y.shape[2], : y.shape[3]].clone()
        found, number = self._found, len(self._found)
        found.append(None)

        def keep(gradient: Tensor) -> None:  # refers to the list, not to self, which would keep every graph alive
            found[number] = (gradient[:, 0] * met).sum((1, 2))

        if y.requires_grad:
            y.register_hook(keep)
        return y

    def derivatives(self, logits: Tensor, v: Tensor) -> list[Tensor]:
        """Return the derivatives (B,) of v·logits by each convolution's first weight."""
        assert self._stem is not None
        self._found[:] = [None] * len(self._found)
        if logits.requires_grad:
            torch.autograd.grad(logits, [self._stem], v, retain_graph=True, allow_unused=True)
        return [v.new_zeros(len(v)) if found is None else found for found in self._found]


def constant_normalised_sum(convolved: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Return the same as `layers.normalised_sum`, with mean and variance as constants in its derivatives."""
    normalised = []
    for x in convolved:
        variance, mean = torch.var_mean(x.detach(), (0, 2, 3), correction=0)
        normalised.append(functional.batch_norm(x, mean, variance, training=False))
    return functools.reduce(torch.add, [*normalised, *others])


def _directions(logits: Tensor, directions: int, seed: int) -> Tensor:
    """Draw v = √p ⊙ r - p (√p·r) with random signs r: shape (directions, B, classes)."""
    generator = torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(2, (directions, *logits.shape), generator=generator).to(logits) - 1
    p = logits.softmax(1)
    scaled = p.sqrt() * signs
    return scaled - p * scaled.sum(2, keepdim=True)
