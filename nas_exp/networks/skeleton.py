"""The official NAS-Bench-201 network, described once: its blocks in order and every convolution that they can have.

Modules, the fast form, weights, parameters, multiply-adds and layer counts all follow from this description.

Source: Dong and Yang, *NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search* (2020), figure 1,
with the details of the authors' code (xautodl 1.0.0), which trained the benchmark's networks.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nas_exp.networks.cell_graph import EDGES, KERNEL_SIZES

STAGES = 3

Position = tuple[int, int, int]
"""Block (0 is the stem), edge of the cell or convolution of another block, kernel size. Names a weight."""

STEM: Position = (0, 0, 3)


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias, padded by half its kernel."""

    position: Position
    inputs: int
    outputs: int
    halvings: int = 0
    """How often the image has been halved in its output."""
    stride: int = 1
    batch_norm: bool = True
    """Whether BatchNorm follows it."""

    @property
    def kernel_size(self) -> int:
        """Height and width of the kernel."""
        return self.position[2]

    @functools.cached_property
    def geometry(self) -> dict[str, int]:
        """Stride and padding, as torch's convolutions take them."""
        return {"stride": self.stride, "padding": self.kernel_size // 2}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of its weight."""
        return self.outputs, self.inputs, self.kernel_size, self.kernel_size

    @property
    def weights(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Block:
    """The stem, a cell, or a reduction, which halves the image and doubles the channels between two stages."""

    kind: Literal["stem", "cell", "reduction"]
    convolutions: Mapping[tuple[int, int], Convolution]
    """By edge or number, and kernel size. A cell has one for each edge and kernel size that an operation may need."""


@dataclass(frozen=True)
class Skeleton:
    """The network of one size without its cells' operations. BatchNorm, ReLU, mean and classifier end it."""

    blocks: tuple[Block, ...]
    """Stem, N cells, reduction, N cells, reduction, N cells."""
    features: int
    """Channels that the last block puts out, and inputs of the classifier."""

    @property
    def classifier(self) -> Position:
        """The position of the classifier's weight (num_classes, features)."""
        return len(self.blocks), 0, 1

    @property
    def classifier_bias(self) -> Position:
        """The position of the classifier's bias (num_classes,)."""
        return len(self.blocks), 1, 1


@functools.lru_cache(maxsize=32)
def skeleton(*, C: int, N: int) -> Skeleton:
    """Return the skeleton of networks with C channels in the first stage and N cells a stage."""
    blocks = [Block("stem", {STEM[1:]: Convolution(STEM, 3, C)})]
    for stage in range(STAGES):
        channels = C * 2**stage
        if stage > 0:
            blocks.append(_reduction(len(blocks), channels, stage))
        blocks += [_cell(len(blocks) + cell, channels, stage) for cell in range(N)]
    return Skeleton(tuple(blocks), channels)


def _reduction(block: int, channels: int, stage: int) -> Block:
    """A residual branch of two convolutions and a shortcut that pools and has no BatchNorm."""
    before = channels // 2
    return _block(
        "reduction",
        Convolution((block, 0, 3), before, channels, stage, stride=2),
        Convolution((block, 1, 3), channels, channels, stage),
        Convolution((block, 2, 1), before, channels, stage, batch_norm=False),
    )


def _cell(block: int, channels: int, stage: int) -> Block:
    sizes = KERNEL_SIZES.values()
    positions = [(block, edge, size) for edge in range(len(EDGES)) for size in sizes]
    return _block("cell", *(Convolution(position, channels, channels, stage) for position in positions))


def _block(kind: Literal["cell", "reduction"], *convolutions: Convolution) -> Block:
    return Block(kind, {convolution.position[1:]: convolution for convolution in convolutions})
