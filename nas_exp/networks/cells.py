"""The official network in a form that is fast to compute: what scoring a whole space runs on.

`CellNetwork` computes the same function as `modules.Network` (a property test holds the two together), without modules:

* operations that carry no signal are not computed;
* a node's ReLU, and its average pooling, are computed once, however many edges leave the node;
* BatchNorms and the additions behind them are one operation (`layers`);
* all networks of a process share their weights, which belong to positions.
"""

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nas_exp.networks.cell_graph import AVG_POOL_3X3, INPUT, KERNEL_SIZES, OUTPUT, CellPlan, effective_cell
from nas_exp.networks.interface import Observer, UntrainedNetwork, Watcher
from nas_exp.networks.layers import average_pool, memory_format, normalised_sum, plain_normalised_sum
from nas_exp.networks.modules import Network, draw, positions
from nas_exp.networks.skeleton import STEM, Block, Convolution, Position, skeleton

Combine = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
"""Adds up the outputs of convolutions, normalised, and other tensors, as `layers.normalised_sum` does."""


def add_up(convolved: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Add up all tensors without BatchNorm, into the first of `convolved`, which nothing else uses."""
    if not convolved:
        return functools.reduce(torch.add, others)
    first, *rest = convolved
    for x in (*rest, *others):
        first += x
    return first


class CellNetwork(UntrainedNetwork):
    """The network of an architecture, BatchNorm on batch statistics, as a function of its weights.

    Its layers are those that a signal passes.

    Args:
        spec: the six operation numbers, in the order of `EDGES`.
        weights: by position; it may hold more than the architecture needs.
        N: cells a stage.
        dead_relus: whether the ReLUs of convolutions that lead nowhere are observed.
    """

    def __init__(
        self, spec: Sequence[int], weights: Mapping[Position, Tensor], *, N: int, dead_relus: bool = True
    ) -> None:
        self.cell = effective_cell(tuple(spec), dead_relus=dead_relus)
        self.weights = weights
        self.skeleton = skeleton(C=len(weights[STEM]), N=N)

    def layers(self) -> list[Position]:
        """Return the positions of the layers' weights, in the order of the network."""
        in_cells = [(edge, KERNEL_SIZES[op]) for edge, _, op in self.cell.computed if op in KERNEL_SIZES]
        found = [
            block.convolutions[key].position
            for block in self.skeleton.blocks
            for key in (in_cells if block.kind == "cell" else block.convolutions)
        ]
        return [*found, self.skeleton.classifier]

    def with_weights(self, change: Callable[[Tensor], Tensor]) -> "CellNetwork":
        """Return the network with `change` of the weight of every layer, and of the classifier's bias."""
        network = copy.copy(self)
        used = [*self.layers(), self.skeleton.classifier_bias]
        network.weights = {position: change(self.weights[position]) for position in used}
        return network

    def __call__(self, images: Tensor, *, weights: Mapping[Position, Tensor] | None = None, **parts: Any) -> Tensor:
        """Map images (B, 3, H, W), H and W divisible by 4, to logits (B, num_classes).

        Args:
            images: the mini-batch.
            weights: other weights than the network's own, for derivatives with respect to them.
            parts: further keywords of `features`.
        """
        return self.classify(self.features(images, weights=weights, **parts), weights=weights)

    def classify(self, features: Tensor, *, weights: Mapping[Position, Tensor] | None = None) -> Tensor:
        """Map what `features` returns, (B, 4C), to logits (B, num_classes)."""
        w = self.weights if weights is None else weights
        return functional.linear(features, w[self.skeleton.classifier], w[self.skeleton.classifier_bias])

    def weights_and_logits(
        self,
        images: Tensor,
        *,
        watch: Watcher | None = None,
        observe: Observer | None = None,
        combine: Combine = normalised_sum,
    ) -> tuple[list[Tensor], Tensor]:
        """Return the weights of `layers()`, which record gradients, and the logits computed from them."""
        leaves = {position: self.weights[position].detach().requires_grad_() for position in self.layers()}
        convolve = functional.conv2d if watch is None else _watched(watch)
        logits = self(images, weights={**self.weights, **leaves}, observe=observe, convolve=convolve, combine=combine)
        if watch is not None:
            watch(leaves[self.skeleton.classifier], logits)
        return list(leaves.values()), logits

    def magnitudes_and_logits(self, images: Tensor, *, batch_norm: bool) -> tuple[list[Tensor], Tensor]:
        """Return the magnitudes of `layers()`, and the logits."""
        network = self.with_weights(lambda weight: weight.detach().to(torch.float64).abs())
        return network.weights_and_logits(images, combine=plain_normalised_sum if batch_norm else add_up)

    def observe_relus(self, images: Tensor, observe: Observer, *, reached_only: bool = False) -> None:
        """Show every ReLU's output. All are reached: `none` is a product with zero, so every node has a gradient."""
        with torch.no_grad():
            self(images, observe=observe)

    def through_blocks(self, images: Tensor, after_block: Callable[[Tensor], Tensor]) -> None:
        """Run a forward pass with `after_block` after the stem, each cell and each reduction."""
        self.features(images, after_block=after_block)

    def features(
        self,
        images: Tensor,
        *,
        weights: Mapping[Position, Tensor] | None = None,
        observe: Observer | None = None,
        convolve: Callable[..., Tensor] = functional.conv2d,
        combine: Combine = normalised_sum,
        rectify: Callable[..., Tensor] = functional.relu,
        after_block: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Map images (B, 3, H, W) to the inputs of the classifier, (B, 4C).

        Args:
            images: the mini-batch.
            weights: other weights than the network's own, by position.
            observe: is called with the output of every ReLU.
            convolve: replaces `torch.nn.functional.conv2d`.
            combine: replaces BatchNorm and addition.
            rectify: replaces `torch.nn.functional.relu`.
            after_block: is applied to what each block hands to the next, the stem included.
        """
        forward = _ForwardPass(
            self.cell, self.weights if weights is None else weights, observe, convolve, combine, rectify
        )
        x = images
        for block in self.skeleton.blocks:
            x = forward.block(x, block)
            if after_block is not None:
                x = after_block(x)
        return forward.relu(combine([x], []), 1, in_place=True).mean((2, 3))


def _watched(watch: Watcher) -> Callable[..., Tensor]:
    def convolve(x: Tensor, weight: Tensor, **geometry: Any) -> Tensor:
        output = functional.conv2d(x, weight, **geometry)
        watch(weight, output)
        return output

    return convolve


@dataclass(frozen=True)
class _ForwardPass:
    """The blocks, computed with the functions that the caller of `features` chose.

    Blocks may overwrite their input, and only memory that nothing else uses.
    """

    plan: CellPlan
    weights: Mapping[Position, Tensor]
    observe: Observer | None
    convolve: Callable[..., Tensor]
    combine: Combine
    rectify: Callable[..., Tensor]

    def block(self, x: Tensor, block: Block) -> Tensor:
        if block.kind == "stem":
            (convolution,) = block.convolutions.values()
            return self.combine([self.convolution(x, convolution)], [])
        return self.cell(x, block) if block.kind == "cell" else self.reduction(x, block)

    def convolution(self, x: Tensor, of: Convolution) -> Tensor:
        return self.convolve(x, self.weights[of.position], **of.geometry)

    def relu(self, x: Tensor, edges: int, *, in_place: bool = False) -> Tensor:
        rectified = self.rectify(x, inplace=in_place)
        if self.observe is not None:
            self.observe(rectified, edges)
        return rectified

    def reduction(self, x: Tensor, block: Block) -> Tensor:
        conv_a, conv_b, pooled = block.convolutions.values()
        shortcut = self.convolution(functional.avg_pool2d(x, 2, 2), pooled)
        a = self.combine([self.convolution(self.relu(x, 1), conv_a)], [])
        b = self.convolution(self.relu(a, 1, in_place=True), conv_b)
        return self.combine([b], [shortcut])

    def cell(self, x: Tensor, block: Block) -> Tensor:
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
                    convolved.append(self.convolution(rectified[source], block.convolutions[edge, KERNEL_SIZES[op]]))
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


# as many seeds as `modules.draw` keeps, in both precisions
@functools.lru_cache(maxsize=20)
def draw_weights(
    seed: int, *, C: int, N: int, num_classes: int, dtype: torch.dtype, device: str
) -> Mapping[Position, Tensor]:
    """Draw all weights that networks of a size can have, by position, as `modules.initialise` does.

    They are kept for the process and shared by all its networks: do not change them.
    """
    plan = skeleton(C=C, N=N)
    convolutions = [convolution for block in plan.blocks for convolution in block.convolutions.values()]
    shapes: dict[Position, tuple[int, ...]] = {convolution.position: convolution.shape for convolution in convolutions}
    shapes |= {plan.classifier: (num_classes, plan.features), plan.classifier_bias: (num_classes,)}
    weights = {}
    for position, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else plan.features
        weight = draw(seed, position, shape, fan_in).to(device=device, dtype=dtype)
        weights[position] = weight.contiguous(memory_format=memory_format(weight))
    return MappingProxyType(weights)


def cell_network_of(network: Network) -> CellNetwork:
    """Return the same network as a `CellNetwork`, on the very weights of its modules."""
    weights = {position: parameter.detach() for position, parameter, _ in positions(network)}
    return CellNetwork(network.spec, weights, N=network.N)
