"""The official network of an architecture (`skeleton`) as a `torch.nn.Module`, and its initialisation."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nas_exp.networks.cell_graph import (
    AVG_POOL_3X3,
    EDGES,
    KERNEL_SIZES,
    NONE,
    NUM_NODES,
    OUTPUT,
    SKIP_CONNECT,
    check_spec,
)
from nas_exp.networks.skeleton import Block, Convolution, Position, skeleton


class Network(nn.Module):
    """The network that NATS-Bench trains for an architecture, BatchNorm always on batch statistics.

    Convolution and classifier weights are uninitialised memory until `initialise` or the caller fills them. BatchNorm
    starts with weight 1 and bias 0.

    Args:
        spec: the six operation numbers, in the order of `EDGES`.
        C: channels of the first stage.
        N: cells a stage.
        num_classes: width of the logits.

    Raises:
        InputError: the spec is not six operation numbers from 0 to 4.
    """

    def __init__(self, spec: Sequence[int], *, C: int, N: int, num_classes: int) -> None:
        super().__init__()
        check_spec(spec)
        self.spec, self.N = tuple(spec), N
        self.skeleton = skeleton(C=C, N=N)
        stem, *blocks = self.skeleton.blocks
        self.stem = nn.Sequential(*_layers(*stem.convolutions.values()))
        self.blocks = nn.ModuleList(Cell(spec, each) if each.kind == "cell" else Reduction(each) for each in blocks)
        self.head = nn.Sequential(_batch_norm(self.skeleton.features), nn.ReLU())
        self.classifier = Classifier(self.skeleton.features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W), H and W divisible by 4, to logits (B, num_classes)."""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        return self.classifier(self.head(x).mean((2, 3)))


class Cell(nn.Module):
    """A cell: each node is the sum of the operations on its incoming edges; every tensor is (B, channels, H, W)."""

    def __init__(self, spec: Sequence[int], block: Block) -> None:
        super().__init__()
        self.edges = nn.ModuleList(_operation(op, edge, block) for edge, op in enumerate(spec))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the output node holds when the input node holds `x`."""
        nodes = [x]
        for node in range(1, NUM_NODES):
            incoming = [edge(nodes[i]) for (i, j), edge in zip(EDGES, self.edges, strict=True) if j == node]
            nodes.append(functools.reduce(torch.add, incoming))
        return nodes[OUTPUT]


class Reduction(nn.Module):
    """The residual block between two stages: half the resolution, other channels."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        conv_a, conv_b, shortcut = block.convolutions.values()
        self.conv_a = ReLUConvBN(conv_a)
        self.conv_b = ReLUConvBN(conv_b)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), *_layers(shortcut))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, 2C, H/2, W/2)."""
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, BatchNorm; keeps the resolution at stride 1."""

    def __init__(self, convolution: Convolution) -> None:
        super().__init__(nn.ReLU(), *_layers(convolution))


class Zero(nn.Module):
    """The operation `none`: a product with zero, not a constant, so that a backward pass reaches what feeds it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the shape of `x`."""
        return x * 0.0


class Conv(nn.Conv2d):
    """A convolution without initial values, which `initialise` would only overwrite; it knows its position."""

    def __init__(self, convolution: Convolution) -> None:
        size = convolution.kernel_size
        super().__init__(
            convolution.inputs, convolution.outputs, size, convolution.stride, padding=size // 2, bias=False
        )
        self.position = convolution.position

    def reset_parameters(self) -> None:
        """Leave the weight as allocated."""


class Classifier(nn.Linear):
    """A linear layer without initial values, like `Conv`."""

    def reset_parameters(self) -> None:
        """Leave weight and bias as allocated."""


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, track_running_stats=False)


def _layers(convolution: Convolution) -> list[nn.Module]:
    """Return the convolution, and the BatchNorm that follows it if one does."""
    return [Conv(convolution), *([_batch_norm(convolution.outputs)] if convolution.batch_norm else [])]


_WITHOUT_WEIGHTS: dict[int, Callable[[], nn.Module]] = {
    NONE: Zero,
    SKIP_CONNECT: nn.Identity,
    AVG_POOL_3X3: lambda: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


def _operation(op: int, edge: int, block: Block) -> nn.Module:
    if op in KERNEL_SIZES:
        return ReLUConvBN(block.convolutions[edge, KERNEL_SIZES[op]])
    return _WITHOUT_WEIGHTS[op]()


def initialise(network: Network, seed: int) -> None:
    """Draw all weights as PyTorch does by default: uniform on ±1/sqrt(fan_in), the classifier's bias too.

    A weight depends on the seed and its position alone, so two architectures with the same operation on the same edge
    of the same cell share its weights, whatever else differs. Values are drawn as float32 on the CPU, then cast and
    moved: dtype and device of the network do not change the draw.
    """
    with torch.no_grad():
        for position, parameter, fan_in in positions(network):
            parameter.copy_(draw(seed, position, tuple(parameter.shape), fan_in))


def positions(network: Network) -> Iterator[tuple[Position, Tensor, int]]:
    """Yield the position of every drawn parameter, the parameter, and its fan-in."""
    for layer in network.modules():
        if isinstance(layer, Conv):
            yield layer.position, layer.weight, layer.weight[0].numel()
    classifier = network.classifier
    yield network.skeleton.classifier, classifier.weight, classifier.in_features
    yield network.skeleton.classifier_bias, classifier.bias, classifier.in_features


# Of a seed, the space draws 189 distinct arrays at N=5: 180 for the edges, 9 for stem, reductions and classifier (7 MB
# at C=16). Kept are those of ten seeds, as searches by a mean over seeds go from one to the next with every network.
@functools.lru_cache(maxsize=2048)
def draw(seed: int, position: Position, shape: tuple[int, ...], fan_in: int) -> Tensor:
    """Draw one parameter: float32, uniform on ±1/sqrt(fan_in), by seed and position alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=position))
    bound = np.float32(1 / math.sqrt(fan_in))
    return torch.from_numpy((2 * rng.random(shape, dtype=np.float32) - 1) * bound)
