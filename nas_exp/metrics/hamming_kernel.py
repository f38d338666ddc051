"""The matrix K_H of the paper's equation 1, which `relu` and `naswot` share."""

from collections import defaultdict
from typing import Protocol

import numpy as np
import numpy.typing as npt
import simsimd
import torch
from torch import Tensor

from nas_exp.arrays import FloatArray
from nas_exp.metrics import Batch
from nas_exp.networks.interface import AnyNetwork, as_network


def hamming_kernel(network: AnyNetwork, images: Tensor, *, reached_only: bool = False) -> Tensor:
    """Return K_H, the number of ReLU units on which the codes of two images agree: shape (B, B), float64, exact.

    The code of an image has a 1 for each unit whose input is positive. Distances are summed over layers, so the codes
    of the whole network are never held as numbers: on a CPU as bits, elsewhere a layer at a time.

    Args:
        network: any network.
        images: (B, 3, H, W).
        reached_only: whether units that no gradient of the logits reaches are left out.
    """
    codes = codes_of(images)
    as_network(network).observe_relus(images, codes.add, reached_only=reached_only)
    return agreements(codes, images)


def codes_of(images: Tensor) -> "Codes":
    """Return an empty collector of the codes of images."""
    return _PackedCodes() if images.device.type == "cpu" else _CodeProducts()


def agreements(codes: "Codes", images: Tensor) -> Tensor:
    """Return K_H, (B, B), of the codes collected of the images."""
    return codes.units - codes.distances(len(images)).to(images.device)


def similarity(network: AnyNetwork, batch: Batch) -> Tensor:
    """Return K_H of a mini-batch over every ReLU of the network, (B, B); labels are not used."""
    return hamming_kernel(network, batch.images)


def log_determinant(kernel: Tensor) -> float:
    """Return log|det K| of a kernel (B, B) from `hamming_kernel`, natural logarithm, `-inf` where it is singular.

    Source: the paper's equation 2.
    """
    # By eigenvalues, not by an LU decomposition, which leaves noise for a pivot that is zero: K is positive
    # semi-definite, since 2K = N_A 11ᵀ + SSᵀ with S the codes in ±1
    eigenvalues = torch.linalg.eigvalsh(kernel.cpu())
    if eigenvalues[0] <= len(kernel) * torch.finfo(kernel.dtype).eps * eigenvalues[-1]:
        return -torch.inf
    return float(eigenvalues.log().sum())


class Codes(Protocol):
    """Collects the codes of ReLUs for their Hamming distances."""

    units: int

    def add(self, x: Tensor, times: int) -> None:
        """Count a ReLU, given its input or its output (B, …), `times` times."""

    def distances(self, batch_size: int) -> Tensor:
        """Return the distances of all pairs of images: shape (batch_size, batch_size), float64."""


def flat(x: Tensor) -> Tensor:
    """Flatten (B, …) to (B, units) in the order of memory, which copies nothing; distances mind no order."""
    return x.detach().permute(0, *sorted(range(1, x.ndim), key=x.stride, reverse=True)).flatten(1)


class _PackedCodes:
    """Codes as bits, many compared at a time. A float product needs three times as long, and 32 times the memory."""

    def __init__(self) -> None:
        self.units = 0
        self._bits: dict[int, list[npt.NDArray[np.uint8]]] = defaultdict(list)

    def add(self, x: Tensor, times: int) -> None:
        positive = np.greater(flat(x).numpy(), 0)
        self.units += times * positive.shape[1]
        self._bits[times].append(np.packbits(positive, axis=1))

    def distances(self, batch_size: int) -> Tensor:
        total = np.zeros((batch_size, batch_size))
        for times, layers in self._bits.items():
            total += times * packed_distances(np.concatenate(layers, axis=1))
        return torch.from_numpy(total)


class _CodeProducts:
    """Codes as numbers: with C the (B, units) matrix and P = C Cᵀ, the distance is P_ii + P_jj - 2 P_ij."""

    def __init__(self) -> None:
        self.units = 0
        self._products: list[Tensor] = []

    def add(self, x: Tensor, times: int) -> None:
        codes = (flat(x) > 0).to(torch.float32)  # sums of zeros and ones stay exact up to 2^24 units a layer
        self.units += times * codes.shape[1]
        self._products.append(times * (codes @ codes.T).to(torch.float64))

    def distances(self, batch_size: int) -> Tensor:
        device = self._products[0].device if self._products else "cpu"
        product = sum(self._products, start=torch.zeros(batch_size, batch_size, dtype=torch.float64, device=device))
        active = product.diagonal()
        return active[:, None] + active[None, :] - 2 * product


_ROWS = 16  # so few that little is counted twice, and enough that calls cost nothing


def packed_distances(bits: npt.NDArray[np.uint8]) -> FloatArray:
    """Count the bits in which rows differ: rows (B, bytes) to distances (B, B)."""
    distances = np.zeros((len(bits), len(bits)))
    for start in range(0, len(bits), _ROWS):
        rows = slice(start, start + _ROWS)
        found = np.asarray(simsimd.cdist(bits[rows], bits[start:], metric="hamming", dtype="bin8"))
        distances[rows, start:], distances[start:, rows] = found, found.T
    return distances
