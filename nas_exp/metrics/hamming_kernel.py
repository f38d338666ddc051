"""The matrix K_H of the paper's equation 1, which `relu` and `naswot` share."""

from collections import defaultdict
from collections.abc import Collection
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas_exp.cells import CellNetwork


def hamming_kernel(
    network: nn.Module | CellNetwork, images: Tensor, relus: Collection[nn.ReLU] | None = None
) -> Tensor:
    """Return K_H, the number of ReLU units on which the codes of two images agree: shape (B, B), float64, exact.

    The code of an image has a 1 for each unit whose input is positive. Distances are summed over layers, so the codes
    of the whole network never exist as numbers: on a CPU as bits, elsewhere a layer at a time.

    Args:
        network: any network; of a module, the `nn.ReLU` modules count.
        images: (B, 3, H, W).
        relus: the ReLUs of a module whose units count; by default all of the network.
    """
    codes = _PackedCodes() if images.device.type == "cpu" else _CodeProducts()
    with torch.no_grad():
        if isinstance(network, CellNetwork):
            network(images, observe=codes.add)
        else:
            _watch(network, images, relus, codes)
    return codes.units - codes.distances(len(images)).to(images.device)


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


def _watch(network: nn.Module, images: Tensor, relus: Collection[nn.ReLU] | None, codes: "_Codes") -> None:
    if relus is None:
        relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    handles = [relu.register_forward_pre_hook(lambda _, inputs: codes.add(inputs[0], 1)) for relu in relus]
    try:
        network(images)
    finally:
        for handle in handles:
            handle.remove()


class _Codes(Protocol):
    """Collects the codes of ReLUs for their Hamming distances."""

    units: int

    def add(self, x: Tensor, times: int) -> None:
        """Count a ReLU, given its input or its output (B, …), `times` times."""

    def distances(self, batch_size: int) -> Tensor:
        """Return the distances of all pairs of images: shape (batch_size, batch_size), float64."""


def _flat(x: Tensor) -> Tensor:
    """Flatten (B, …) to (B, units) in the order of memory, which copies nothing; distances mind no order."""
    return x.detach().permute(0, *sorted(range(1, x.ndim), key=x.stride, reverse=True)).flatten(1)


class _PackedCodes:
    """Codes as bits, compared 64 at a time. A float product needs about twice as long, and 32 times the memory."""

    def __init__(self) -> None:
        self.units = 0
        self._bits: dict[int, list[npt.NDArray[np.uint8]]] = defaultdict(list)

    def add(self, x: Tensor, times: int) -> None:
        positive = np.greater(_flat(x).numpy(), 0)
        self.units += times * positive.shape[1]
        self._bits[times].append(np.packbits(positive, axis=1))

    def distances(self, batch_size: int) -> Tensor:
        total = np.zeros((batch_size, batch_size))
        for times, layers in self._bits.items():
            total += times * packed_distances(np.concatenate(layers, axis=1))
        return torch.from_numpy(total + total.T)


class _CodeProducts:
    """Codes as numbers: with C the (B, units) matrix and P = C Cᵀ, the distance is P_ii + P_jj - 2 P_ij."""

    def __init__(self) -> None:
        self.units = 0
        self._products: list[Tensor] = []

    def add(self, x: Tensor, times: int) -> None:
        codes = (_flat(x) > 0).to(torch.float32)  # sums of zeros and ones stay exact up to 2^24 units a layer
        self.units += times * codes.shape[1]
        self._products.append(times * (codes @ codes.T).to(torch.float64))

    def distances(self, batch_size: int) -> Tensor:
        device = self._products[0].device if self._products else "cpu"
        product = sum(self._products, start=torch.zeros(batch_size, batch_size, dtype=torch.float64, device=device))
        active = product.diagonal()
        return active[:, None] + active[None, :] - 2 * product


_WORDS = 2048  # a block of codes at a time: 128 of them and their differences fit a core's share of the cache


def packed_distances(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Count the bits in which rows differ: rows (B, bytes) to distances (B, B), above the diagonal; zero elsewhere."""
    rows, width = bits.shape
    # whole words, and whole words again of the bytes that count their bits; what is added differs nowhere
    words = np.pad(bits, ((0, 0), (0, -width % 64))).view(np.uint64)
    distances = np.zeros((rows, rows), dtype=np.int64)
    for start in range(0, words.shape[1], _WORDS):
        block = np.ascontiguousarray(words[:, start : start + _WORDS])
        differing, counts = np.empty_like(block), np.empty(block.shape, dtype=np.uint8)
        for i in range(rows - 1):
            others = slice(i + 1, rows)
            np.bitwise_xor(block[i], block[others], out=differing[others])
            np.bitwise_count(differing[others], out=counts[others])
            distances[i, others] += _sum_of_bytes(counts[others].view(np.uint64))
    return distances


def _sum_of_bytes(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Sum all bytes, each at most 64, of every row of words (rows, n), n at most 511: shape (rows,)."""
    even, eight = np.uint64(0x00FF00FF00FF00FF), np.uint64(8)
    # two bytes to a 16-bit lane: 128 a word at the most
    lanes = ((words & even) + ((words >> eight) & even)).sum(axis=1)
    return lanes.view(np.uint16).reshape(len(words), 4).sum(axis=1, dtype=np.int64)
