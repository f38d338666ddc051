"""What the networks of architectures are made of, without making them: layers, parameters, multiply-adds."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.networks.cell_graph import EDGES, KERNEL_SIZES, OPERATIONS
from nas_exp.networks.skeleton import Convolution, skeleton


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of the networks of one size; operations that no signal passes count too.

    Attributes:
        specs: the architectures, shape (…, 6): operation numbers, in the order of `EDGES`. Each count has the
            shape (…).
        C: channels of the first stage.
        N: cells a stage.
        num_classes: width of the logits.
    """

    specs: IntArray
    C: int
    N: int
    num_classes: int

    def params(self) -> IntArray:
        """Count trainable parameters as NAS-Bench-201 does: of convolutions, BatchNorms, classifier and its bias."""
        last_batch_norm = 2 * self._features
        return self._over_convolutions(_params) + last_batch_norm + self._classifier

    def flops(self, image_size: int) -> IntArray:
        """Count the multiply-adds of one image as NAS-Bench-201 does: of convolutions, classifier and its bias."""
        return self._over_convolutions(_flops, image_size) + self._classifier

    def layers(self) -> IntArray:
        """Count the layers with weights to train: convolutions and the classifier."""
        return self._over_convolutions(_layer) + 1

    @property
    def _features(self) -> int:
        return skeleton(C=self.C, N=self.N).features

    @property
    def _classifier(self) -> int:
        return (self._features + 1) * self.num_classes

    def _over_convolutions(self, count: "_Count", image_size: int = 0) -> IntArray:
        """Sum a count over all convolutions of each network."""
        around_cells, of_edges = _sums(count, self.C, self.N, image_size)
        total: IntArray = around_cells + of_edges[np.arange(len(EDGES)), self.specs].sum(axis=-1)
        return total


_Count = Callable[[Convolution, int], int]
"""What a convolution counts, for images of some height and width."""


def _params(convolution: Convolution, _: int) -> int:
    return convolution.weights + 2 * convolution.outputs * convolution.batch_norm


def _flops(convolution: Convolution, image_size: int) -> int:
    return convolution.weights * (image_size // 2**convolution.halvings) ** 2


def _layer(_: Convolution, __: int) -> int:
    return 1


@functools.lru_cache(maxsize=64)
def _sums(count: _Count, C: int, N: int, image_size: int) -> tuple[int, IntArray]:
    """Return the sum outside the cells, and that of an operation on an edge over all cells: shape (6, 5)."""
    around_cells, of_edges = 0, np.zeros((len(EDGES), len(OPERATIONS)), dtype=np.int64)
    operations = {size: op for op, size in KERNEL_SIZES.items()}
    for block in skeleton(C=C, N=N).blocks:
        for (part, size), convolution in block.convolutions.items():
            if block.kind == "cell":
                of_edges[part, operations[size]] += count(convolution, image_size)
            else:
                around_cells += count(convolution, image_size)
    return around_cells, of_edges
