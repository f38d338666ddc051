"""The official NAS-Bench-201 network of an architecture, and its initialisation.

Source: Dong and Yang, *NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search* (2020), figure 1,
with the details of the authors' code (xautodl 1.0.0), which trained the benchmark's networks.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nas_exp.spaces.topology import (
    AVG_POOL_3X3,
    EDGES,
    NONE,
    NOR_CONV_1X1,
    NOR_CONV_3X3,
    NUM_NODES,
    OUTPUT,
    SKIP_CONNECT,
    index_of_spec,
)

STAGES = 3


class Network(nn.Module):
    """The network that NATS-Bench trains for an architecture, BatchNorm always on batch statistics.

    Stem, N cells, reduction, N cells, reduction, N cells, global average pool, classifier; the three stages have C, 2C
    and 4C channels. Convolution and classifier weights are uninitialised memory until `initialise` or the caller
    fills them; BatchNorm starts with weight 1 and bias 0.

    Args:
        spec: the six operation numbers, in the order of `space.EDGES`.
        C: channels of the first stage.
        N: cells a stage.
        num_classes: width of the logits.

    Raises:
        InputError: the spec is not six operation numbers from 0 to 4.
    """

    def __init__(self, spec: Sequence[int], *, C: int, N: int, num_classes: int) -> None:
        super().__init__()
        index_of_spec(spec)  # only for the error that it raises
        self.spec, self.N = tuple(spec), N
        self.stem = nn.Sequential(Conv(3, C, 3), _batch_norm(C))
        self.blocks = nn.ModuleList()
        for stage in range(STAGES):
            channels = C * 2**stage
            if stage > 0:
                self.blocks.append(Reduction(channels // 2, channels))
            self.blocks.extend(Cell(spec, channels) for _ in range(N))
        self.head = nn.Sequential(_batch_norm(channels), nn.ReLU())
        self.classifier = Classifier(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W), H and W divisible by 4, to logits (B, num_classes)."""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        return self.classifier(self.head(x).mean((2, 3)))


class Cell(nn.Module):
    """A cell: each node is the sum of the operations on its incoming edges; every tensor is (B, channels, H, W)."""

    def __init__(self, spec: Sequence[int], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(_OPERATIONS[op](channels) for op in spec)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the output node holds when the input node holds `x`."""
        nodes = [x]
        for node in range(1, NUM_NODES):
            incoming = [edge(nodes[i]) for (i, j), edge in zip(EDGES, self.edges, strict=True) if j == node]
            nodes.append(functools.reduce(torch.add, incoming))
        return nodes[OUTPUT]


class Reduction(nn.Module):
    """The residual block between two stages: half the resolution, other channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(in_channels, out_channels, 3, stride=2)
        self.conv_b = ReLUConvBN(out_channels, out_channels, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), Conv(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H/2, W/2)."""
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, BatchNorm; keeps the resolution at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(nn.ReLU(), Conv(in_channels, out_channels, kernel_size, stride), _batch_norm(out_channels))


class Zero(nn.Module):
    """The operation `none`: a product with zero, not a constant, so that a backward pass reaches what feeds it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the shape of `x`."""
        return x * 0.0


class Conv(nn.Conv2d):
    """A convolution without bias and without initial values, which `initialise` would only overwrite."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)

    def reset_parameters(self) -> None:
        """Leave the weight as allocated."""


class Classifier(nn.Linear):
    """A linear layer without initial values, like `Conv`."""

    def reset_parameters(self) -> None:
        """Leave weight and bias as allocated."""


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, track_running_stats=False)


_OPERATIONS: dict[int, Callable[[int], nn.Module]] = {
    NONE: lambda channels: Zero(),
    SKIP_CONNECT: lambda channels: nn.Identity(),
    NOR_CONV_1X1: lambda channels: ReLUConvBN(channels, channels, 1),
    NOR_CONV_3X3: lambda channels: ReLUConvBN(channels, channels, 3),
    AVG_POOL_3X3: lambda channels: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


def initialise(network: Network, seed: int) -> None:
    """Draw all weights as PyTorch does by default: uniform on ±1/sqrt(fan_in), the classifier's bias too.

    A weight depends on the seed and its position alone, so two architectures with the same operation on the same edge
    of the same cell share its weights, whatever else differs. Values are drawn as float32 on the CPU, then cast and
    moved: dtype and device of the network do not change the draw.
    """
    with torch.no_grad():
        for position, parameter, fan_in in positions(network):
            parameter.copy_(draw(seed, position, tuple(parameter.shape), fan_in))


Position = tuple[int, int, int]
"""Block (0 is the stem), edge of the cell or convolution of the reduction, kernel size."""


def positions(network: Network) -> Iterator[tuple[Position, Tensor, int]]:
    """Yield the position of every drawn parameter, the parameter, and its fan-in."""
    last = len(network.blocks) + 1
    for number, block in enumerate([network.stem, *network.blocks]):
        parts = block.edges if isinstance(block, Cell) else block.children()
        for part_number, part in enumerate(parts):
            for layer in part.modules():
                if isinstance(layer, Conv):
                    kernel_size = layer.kernel_size[0]
                    yield (number, part_number, kernel_size), layer.weight, layer.in_channels * kernel_size**2
    classifier = network.classifier
    for number, parameter in enumerate([classifier.weight, classifier.bias]):
        yield (last, number, 1), parameter, classifier.in_features


# Of a seed, the space draws 189 distinct arrays at N=5: 180 for the edges, 9 for stem, reductions and classifier (7 MB
# at C=16). Kept are those of ten seeds, as searches by a mean over seeds go from one to the next with every network.
@functools.lru_cache(maxsize=2048)
def draw(seed: int, position: Position, shape: tuple[int, ...], fan_in: int) -> Tensor:
    """Draw one parameter: float32, uniform on ±1/sqrt(fan_in), by seed and position alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=position))
    bound = np.float32(1 / math.sqrt(fan_in))
    return torch.from_numpy((2 * rng.random(shape, dtype=np.float32) - 1) * bound)
