"""The official network once more, as fast as we can compute it: what scoring a whole space runs on.

`CellNetwork` is the same function as `network.Network` (a property test holds the two together), without modules:

* operations that carry no signal are not computed;
* a node's ReLU, and its average pooling, are computed once, however many edges leave the node;
* BatchNorms and the additions behind them are one operation (`layers`);
* weights are shared by all networks of a process, since they belong to positions.
"""

import copy
import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.networks.layers import average_pool, memory_format, normalised_sum
from nas_exp.networks.modules import STAGES, Network, Position, draw, positions
from nas_exp.spaces.topology import (
    AVG_POOL_3X3,
    EDGES,
    INPUT,
    NOR_CONV_1X1,
    NOR_CONV_3X3,
    OUTPUT,
    SIZE,
    live_edges,
    node_values,
    spec_of_index,
)

KERNEL_SIZES = {NOR_CONV_1X1: 1, NOR_CONV_3X3: 3}


Observer = Callable[[Tensor, int], None]
"""Is called with the input or the output of a ReLU (B, C, H, W) and the number of edges that apply this ReLU."""

Combine = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
"""Adds up what convolutions give, normalised, and other tensors, as `layers.normalised_sum` does."""


@dataclass(frozen=True)
class Cell:
    """What has to be computed of a cell."""

    edges: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...]
    """For each node that is reached, in order: the node, and (position in `space.EDGES`, source, operation) of each
    edge into it that is computed."""
    relus: tuple[int, ...]
    """For each node but the last, how many convolutions that count read it."""
    only_convolved: frozenset[int]
    """Nodes that nothing but convolutions reads."""

    @property
    def computed(self) -> list[tuple[int, int, int]]:
        """(position in `space.EDGES`, source, operation) of all edges that are computed."""
        return [edge for _, into in self.edges for edge in into]


@functools.lru_cache(maxsize=16384)
def effective_cell(spec: tuple[int, ...], *, dead_relus: bool = True) -> Cell:
    """Return what has to be computed of an architecture's cell.

    An edge is computed when the input reaches its source and the output needs its target.

    Args:
        spec: the six operation numbers, in the order of `space.EDGES`.
        dead_relus: whether a convolution that leads nowhere still needs its source, whose ReLU counts.
    """
    convolutions = [edge for edge, op in enumerate(spec) if op in KERNEL_SIZES]
    live = live_edges(spec, sinks=[OUTPUT, *(EDGES[edge][0] for edge in convolutions if dead_relus)])
    counted = convolutions if dead_relus else [edge for edge in convolutions if edge in live]
    edges: dict[int, list[tuple[int, int, int]]] = {}
    for edge in live:
        source, target = EDGES[edge]
        edges.setdefault(target, []).append((edge, source, spec[edge]))
    return Cell(
        edges=tuple((target, tuple(into)) for target, into in edges.items()),
        relus=tuple(sum(EDGES[edge][0] == node for edge in counted) for node in range(OUTPUT)),
        only_convolved=frozenset(range(OUTPUT)) - {EDGES[edge][0] for edge in live if edge not in convolutions},
    )


@functools.lru_cache(maxsize=2)
def first_equal(*, dead_relus: bool = True) -> npt.NDArray[np.int64]:
    """Return the first architecture that makes the same network, for each of the space: shape (15625,), `arch_index`.

    Networks are the same when `space.node_values` says that they compute the same function of the same weights and,
    with `dead_relus`, that their ReLUs see the same. Their scores are equal but for rounding.
    """
    classes: dict[object, int] = {}
    return np.array([classes.setdefault(_function(spec_of_index(arch), dead_relus), arch) for arch in range(SIZE)])


def _function(spec: Sequence[int], dead_relus: bool) -> tuple[object, ...]:
    values = node_values(spec, by_edge=True)
    relus = Counter(values[EDGES[edge][0]] for edge, op in enumerate(spec) if op in KERNEL_SIZES)
    return values[OUTPUT], frozenset(relus.items()) if dead_relus else None


class CellNetwork:
    """The network of an architecture, BatchNorm on batch statistics, as a function of its weights.

    Args:
        spec: the six operation numbers, in the order of `space.EDGES`.
        weights: by position; more than the architecture needs does no harm.
        N: cells a stage.
        dead_relus: whether the ReLUs of convolutions that lead nowhere are observed.
    """

    def __init__(
        self, spec: Sequence[int], weights: Mapping[Position, Tensor], *, N: int, dead_relus: bool = True
    ) -> None:
        self.cell = effective_cell(tuple(spec), dead_relus=dead_relus)
        self.weights = weights
        self.N = N
        self._last = STAGES * N + STAGES

    def layers(self) -> list[Position]:
        """Return the positions of the weights (not the bias) that a signal passes, in the order of the network."""
        convolutions = [(edge, KERNEL_SIZES[op]) for edge, _, op in self.cell.computed if op in KERNEL_SIZES]
        found = [(0, 0, 3)]
        for block in range(1, self._last):
            if block % (self.N + 1) == 0:
                found += [(block, 0, 3), (block, 1, 3), (block, 2, 1)]
            else:
                found += [(block, edge, kernel_size) for edge, kernel_size in convolutions]
        return [*found, (self._last, 0, 1)]

    def with_weights(self, change: Callable[[Tensor], Tensor]) -> "CellNetwork":
        """Return the network with other weights: `change` of those that a signal passes, and of the bias."""
        network = copy.copy(self)
        positions_used = [*self.layers(), (self._last, 1, 1)]
        network.weights = {position: change(self.weights[position]) for position in positions_used}
        return network

    def __call__(self, images: Tensor, *, weights: Mapping[Position, Tensor] | None = None, **parts: Any) -> Tensor:
        """Map images (B, 3, H, W), H and W divisible by 4, to logits (B, num_classes).

        Args:
            images: the mini-batch.
            weights: other weights than the network's own, for derivatives with respect to them.
            parts: what `features` is to observe, or to compute with, by its keywords.
        """
        w = self.weights if weights is None else weights
        features = self.features(images, weights=w, **parts)
        return functional.linear(features, w[self._last, 0, 1], w[self._last, 1, 1])

    def features(
        self,
        images: Tensor,
        *,
        weights: Mapping[Position, Tensor],
        observe: Observer | None = None,
        convolve: Callable[..., Tensor] = functional.conv2d,
        combine: Combine = normalised_sum,
        rectify: Callable[..., Tensor] = functional.relu,
        after_block: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Map images (B, 3, H, W) to what the classifier sees, (B, 4C).

        Args:
            images: the mini-batch.
            weights: by position.
            observe: is shown the output of every ReLU.
            convolve: stands for `torch.nn.functional.conv2d`.
            combine: stands for BatchNorm and addition.
            rectify: stands for `torch.nn.functional.relu`.
            after_block: is applied to what each block hands to the next, the stem included.
        """
        walk = _Walk(self.cell, weights, observe, convolve, combine, rectify)
        x = images
        for block in range(self._last):
            if block == 0:
                x = combine([walk.convolution(x, (0, 0, 3))], [])
            else:
                x = walk.reduction(x, block) if block % (self.N + 1) == 0 else walk.cell(x, block)
            if after_block is not None:
                x = after_block(x)
        return walk.relu(combine([x], []), 1, in_place=True).mean((2, 3))


@dataclass(frozen=True)
class _Walk:
    """One forward pass: the blocks, with what the caller has put in the place of their parts.

    Blocks may overwrite their input. Only memory that nobody else holds is ever overwritten.
    """

    plan: Cell
    weights: Mapping[Position, Tensor]
    observe: Observer | None
    convolve: Callable[..., Tensor]
    combine: Combine
    rectify: Callable[..., Tensor]

    def convolution(self, x: Tensor, position: Position, stride: int = 1) -> Tensor:
        return self.convolve(x, self.weights[position], stride=stride, padding=position[2] // 2)

    def relu(self, x: Tensor, edges: int, *, in_place: bool = False) -> Tensor:
        rectified = self.rectify(x, inplace=in_place)
        if self.observe is not None:
            self.observe(rectified, edges)
        return rectified

    def reduction(self, x: Tensor, block: int) -> Tensor:
        shortcut = self.convolution(functional.avg_pool2d(x, 2, 2), (block, 2, 1))
        a = self.combine([self.convolution(self.relu(x, 1), (block, 0, 3), stride=2)], [])
        b = self.convolution(self.relu(a, 1, in_place=True), (block, 1, 3))
        return self.combine([b], [shortcut])

    def cell(self, x: Tensor, block: int) -> Tensor:
        nodes, rectified, pooled = {INPUT: x}, dict[int, Tensor](), dict[int, Tensor]()
        own = {INPUT}  # nodes whose memory is theirs alone
        for target, edges in self.plan.edges:
            convolved, others = list[Tensor](), list[Tensor]()
            for edge, source, op in edges:
                if op == AVG_POOL_3X3:
                    if source not in pooled:
                        pooled[source] = average_pool(nodes[source])
                    others.append(pooled[source])
                elif op in KERNEL_SIZES:
                    if source not in rectified:
                        in_place = source in own and source in self.plan.only_convolved
                        rectified[source] = self.relu(nodes[source], self.plan.relus[source], in_place=in_place)
                    convolved.append(self.convolution(rectified[source], (block, edge, KERNEL_SIZES[op])))
                else:
                    others.append(nodes[source])
            nodes[target] = self.combine(convolved, others)
            if convolved or len(others) > 1:
                own.add(target)
        if self.observe is not None:
            for node, count in enumerate(self.plan.relus):
                if count and node not in rectified:
                    # convolutions that lead nowhere, or that nothing reaches, have their ReLUs all the same
                    self.observe(nodes[node] if node in nodes else torch.zeros_like(x), count)
        return nodes[OUTPUT] if OUTPUT in nodes else torch.zeros_like(x)


# as many seeds as `network.draw` keeps, in both precisions
@functools.lru_cache(maxsize=20)
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


def cell_network_of(network: Network) -> CellNetwork:
    """Return the same network as a `CellNetwork`, on the very weights of its modules."""
    weights = {position: parameter.detach() for position, parameter, _ in positions(network)}
    return CellNetwork(network.spec, weights, N=network.N)
