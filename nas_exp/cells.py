"""The official network once more, as fast as we can compute it: what scoring a whole space runs on.

`CellNetwork` is the same function as `network.Network` (a property test holds the two together), without modules:

* operations that carry no signal are not computed;
* a node's ReLU, and its average pooling, are computed once, however many edges leave the node;
* weights are shared by all networks of a process, since they belong to positions.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.network import STAGES, Network, Position, draw, positions
from nas_exp.space import AVG_POOL_3X3, EDGES, INPUT, NOR_CONV_1X1, NOR_CONV_3X3, OUTPUT, live_edges

KERNEL_SIZES = {NOR_CONV_1X1: 1, NOR_CONV_3X3: 3}


def batch_norm(x: Tensor) -> Tensor:
    """Normalise each channel of (B, C, H, W) by its own statistics; no weight and bias, which start at 1 and 0."""
    return functional.batch_norm(x, None, None, training=True)


def average_pool(x: Tensor) -> Tensor:
    """Average each 3x3 neighbourhood of (B, C, H, W), leaving out what lies beyond the border; keeps the size."""
    large = len(x) >= 16  # small batches are faster with torch's own pooling
    if large and x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        pooled: Tensor = _DepthwiseAverage.apply(x)
        return pooled
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _DepthwiseAverage(torch.autograd.Function):
    """`avg_pool2d` as a convolution, which takes a third of the time: oneDNN has a good one, and no such pooling.

    Sums over neighbourhoods are symmetric, so the backward pass is the forward pass with the division first.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.window, ctx.share = _window(x.shape[1], x.shape[2], x.shape[3])
        return functional.conv2d(x, ctx.window, padding=1, groups=x.shape[1]).mul_(ctx.share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return functional.conv2d(gradient * ctx.share, ctx.window, padding=1, groups=gradient.shape[1])


@functools.lru_cache(maxsize=16)
def _window(channels: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return a 3x3 window of ones for each channel, and 1 over the number of neighbours of each place (1, 1, H, W)."""
    ones = torch.ones(1, 1, height, width)
    return torch.ones(channels, 1, 3, 3), 1 / functional.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1)


Observer = Callable[[Tensor, int], None]
"""Is called with the output of a ReLU (B, C, H, W) and the number of edges that apply this ReLU."""


@dataclass(frozen=True)
class Cell:
    """What has to be computed of a cell. Two specs with equal cells make equal networks."""

    edges: tuple[tuple[int, int, int], ...]
    """(position in `space.EDGES`, source, operation) of each edge that is computed, in the order of `space.EDGES`."""
    relus: tuple[int, ...]
    """For each node but the last, how many convolutions read it, those included that lead nowhere."""


@functools.lru_cache(maxsize=16384)
def effective_cell(spec: tuple[int, ...]) -> Cell:
    """Return what has to be computed of an architecture's cell.

    An edge is computed when the input reaches its source and something needs its target: the output, or a convolution,
    whose ReLU counts even if it leads nowhere.
    """
    relus = [sum(i == node and op in KERNEL_SIZES for (i, _), op in zip(EDGES, spec, strict=True)) for node in range(3)]
    read = [node for node, count in enumerate(relus) if count]
    edges = tuple((edge, EDGES[edge][0], spec[edge]) for edge in live_edges(spec, sinks=(*read, OUTPUT)))
    return Cell(edges, tuple(relus))


class CellNetwork:
    """The network of an architecture, BatchNorm on batch statistics, as a function of its weights.

    Args:
        spec: the six operation numbers, in the order of `space.EDGES`.
        weights: by position; more than the architecture needs does no harm.
        N: cells a stage.
    """

    def __init__(self, spec: Sequence[int], weights: Mapping[Position, Tensor], *, N: int) -> None:
        self.cell = effective_cell(tuple(spec))
        self.weights = weights
        self.N = N
        self._last = STAGES * N + STAGES

    def layers(self) -> list[Position]:
        """Return the positions of the weights (not the bias) that a signal passes, in the order of the network."""
        convolutions = [(edge, KERNEL_SIZES[op]) for edge, _, op in self.cell.edges if op in KERNEL_SIZES]
        found = [(0, 0, 3)]
        for block in range(1, self._last):
            if block % (self.N + 1) == 0:
                found += [(block, 0, 3), (block, 1, 3), (block, 2, 1)]
            else:
                found += [(block, edge, kernel_size) for edge, kernel_size in convolutions]
        return [*found, (self._last, 0, 1)]

    def __call__(
        self, images: Tensor, *, weights: Mapping[Position, Tensor] | None = None, observe: Observer | None = None
    ) -> Tensor:
        """Map images (B, 3, H, W), H and W divisible by 4, to logits (B, num_classes).

        Args:
            images: the mini-batch.
            weights: other weights than the network's own, for derivatives with respect to them.
            observe: is shown the output of every ReLU.
        """
        w = self.weights if weights is None else weights
        features = self.features(images, weights=w, observe=observe)
        return functional.linear(features, w[self._last, 0, 1], w[self._last, 1, 1])

    def features(
        self,
        images: Tensor,
        *,
        weights: Mapping[Position, Tensor],
        observe: Observer | None = None,
        convolve: Callable[..., Tensor] = functional.conv2d,
        normalise: Callable[[Tensor], Tensor] = batch_norm,
        after_block: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Map images (B, 3, H, W) to what the classifier sees, (B, 4C).

        Args:
            images: the mini-batch.
            weights: by position.
            observe: is shown the output of every ReLU.
            convolve: stands for `torch.nn.functional.conv2d`.
            normalise: stands for BatchNorm.
            after_block: is applied to what each block hands to the next.
        """
        walk = _Walk(self.cell, weights, observe, convolve, normalise)
        x = walk.conv_bn(images, (0, 0, 3))
        for block in range(1, self._last):
            x = walk.reduction(x, block) if block % (self.N + 1) == 0 else walk.cell(x, block)
            if after_block is not None:
                x = after_block(x)
        return walk.relu(normalise(x), 1).mean((2, 3))


@dataclass(frozen=True)
class _Walk:
    """One forward pass: the blocks, with what the caller has put in the place of their parts."""

    plan: Cell
    weights: Mapping[Position, Tensor]
    observe: Observer | None
    convolve: Callable[..., Tensor]
    normalise: Callable[[Tensor], Tensor]

    def conv_bn(self, x: Tensor, position: Position, stride: int = 1) -> Tensor:
        return self.normalise(self.convolve(x, self.weights[position], stride=stride, padding=position[2] // 2))

    def relu(self, x: Tensor, edges: int) -> Tensor:
        rectified = functional.relu(x)
        if self.observe is not None:
            self.observe(rectified, edges)
        return rectified

    def reduction(self, x: Tensor, block: int) -> Tensor:
        a = self.conv_bn(self.relu(x, 1), (block, 0, 3), stride=2)
        b = self.conv_bn(self.relu(a, 1), (block, 1, 3))
        return self.convolve(functional.avg_pool2d(x, 2, 2), self.weights[block, 2, 1]) + b

    def cell(self, x: Tensor, block: int) -> Tensor:
        nodes, rectified, pooled = {INPUT: x}, dict[int, Tensor](), dict[int, Tensor]()
        for edge, source, op in self.plan.edges:
            value = nodes[source]
            if op == AVG_POOL_3X3:
                if source not in pooled:
                    pooled[source] = average_pool(value)
                value = pooled[source]
            elif op in KERNEL_SIZES:
                if source not in rectified:
                    rectified[source] = self.relu(value, self.plan.relus[source])
                value = self.conv_bn(rectified[source], (block, edge, KERNEL_SIZES[op]))
            target = EDGES[edge][1]
            if target not in nodes:
                nodes[target] = value
            elif op in KERNEL_SIZES:
                nodes[target] = value.add_(nodes[target])  # nobody else holds what the convolution has just returned
            else:
                nodes[target] = nodes[target] + value
        for node, count in enumerate(self.plan.relus):
            if count and node not in rectified:
                # convolutions that lead nowhere, or that nothing reaches, have their ReLUs all the same
                self.relu(nodes[node] if node in nodes else torch.zeros_like(x), count)
        return nodes[OUTPUT] if OUTPUT in nodes else torch.zeros_like(x)


@functools.lru_cache(maxsize=2)
def draw_weights(
    seed: int, *, C: int, N: int, num_classes: int, dtype: torch.dtype, device: str
) -> Mapping[Position, Tensor]:
    """Draw all weights that networks of a size can have, by position, as `network.initialise` does.

    Kept for the process, and shared by all its networks: they must not be changed.
    """
    channels = [C * 2**stage for stage in range(STAGES)]
    shapes: dict[Position, tuple[int, ...]] = {(0, 0, 3): (C, 3, 3, 3)}
    for stage, width in enumerate(channels):
        first = stage * (N + 1)
        if stage:
            shapes[first, 0, 3] = (width, width // 2, 3, 3)
            shapes[first, 1, 3] = (width, width, 3, 3)
            shapes[first, 2, 1] = (width, width // 2, 1, 1)
        for block in range(first + 1, first + N + 1):
            for edge in range(len(EDGES)):
                shapes |= {(block, edge, size): (width, width, size, size) for size in KERNEL_SIZES.values()}
    last = STAGES * (N + 1)
    shapes |= {(last, 0, 1): (num_classes, channels[-1]), (last, 1, 1): (num_classes,)}
    weights = {}
    for position, shape in shapes.items():
        fan_in = channels[-1] if position[0] == last else math.prod(shape[1:])
        weight = draw(seed, position, shape, fan_in).to(device=device, dtype=dtype)
        weights[position] = weight.contiguous(memory_format=memory_format(weight))
    return MappingProxyType(weights)


def memory_format(x: Tensor) -> torch.memory_format:
    """Return the memory format in which this code is fastest: on a CPU, channels last halves a forward pass."""
    return torch.channels_last if x.ndim == 4 and x.device.type == "cpu" else torch.contiguous_format


def cell_network_of(network: Network) -> CellNetwork:
    """Return the same network as a `CellNetwork`, on the very weights of its modules."""
    weights = {position: parameter.detach() for position, parameter, _ in positions(network)}
    return CellNetwork(network.spec, weights, N=network.N)
