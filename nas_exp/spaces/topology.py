"""The NATS-Bench topology search space (NAS-Bench-201): 15,625 cells of 6 edges and 5 operations.

An architecture's options are the operation numbers of its edges, its `spec`, in the order of `EDGES`. Its `arch_str` is
as NATS-Bench writes it: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, the incoming edges of nodes 1, 2 and 3. Its
`arch_index` runs from 0 to 15624; NATS-Bench's own index is another one: join with it on `arch_str`.
"""

import functools
import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.bounds import AtLeast, AtMost
from nas_exp.errors import InputError
from nas_exp.spaces.space import Images, Schedules, Space, Weights

if TYPE_CHECKING:
    from nas_exp.networks.counts import Blueprint

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP_CONNECT, NOR_CONV_1X1, NOR_CONV_3X3, AVG_POOL_3X3 = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_NODES = 4
INPUT, OUTPUT = 0, NUM_NODES - 1
SIZE = len(OPERATIONS) ** len(EDGES)

Spec = tuple[int, ...]


class TopologySpace(Space):
    """The space of cells, each with the official network: three stages of N cells, with C, 2C and 4C channels."""

    choices = (OPERATIONS,) * len(EDGES)
    positions = tuple(f"{i}->{j}" for i, j in EDGES)
    name = "topology"
    schedules = Schedules(short=12, full=200)

    def __init__(
        self, *, C: Annotated[int, AtLeast(1), AtMost(1024)], N: Annotated[int, AtLeast(1), AtMost(100)]
    ) -> None:
        """Fix the size of the networks.

        Args:
            C: channels of the first stage.
            N: cells a stage.
        """
        self.C, self.N = C, N

    @property
    def identity(self) -> dict[str, Any]:
        """See `Space.identity`."""
        return {"space": "topology", "network": {"C": self.C, "N": self.N}}

    def check(self, images: Images) -> None:
        """See `Space.check`."""
        if images.image_size % 4:
            raise InputError(f"dataset.image_size={images.image_size}: expected a multiple of 4, as it is halved twice")

    def spell(self, arch_index: int) -> str:
        """Return the `arch_str` of an architecture, as NATS-Bench writes it."""
        return str_of_spec(self.options(arch_index))

    def parse(self, arch_str: str) -> int:
        """Return the `arch_index` of an `arch_str`.

        Raises:
            InputError: the string does not describe a cell of this space.
        """
        return self.index(spec_of_str(arch_str))

    def _parsed(self, arch_str: str) -> int:
        return _indices().get(arch_str, -1)

    def network(self, arch_index: int, form: str, images: Images, weights: Weights) -> Any:
        """Return the official network of an architecture.

        Args:
            arch_index: the architecture.
            form: ``cells``, a fast `CellNetwork`; ``live_cells``, the same without the ReLUs of convolutions that lead
                nowhere; ``modules``, the same network as a `torch.nn.Module`; or ``counts``, its `Counts`, without
                weights.
            images: what it classifies.
            weights: how its weights are made.
        """
        spec, size = self.options(arch_index), {"C": self.C, "N": self.N, "num_classes": images.num_classes}
        if form == "counts":
            from nas_exp.networks.counts import Blueprint

            return Blueprint(np.array(spec), **size)
        import torch

        dtype = getattr(torch, weights.dtype)
        if form == "modules":
            from nas_exp.networks.modules import Network, initialise

            network = Network(spec, **size)
            initialise(network, weights.seed)
            return network.to(device=weights.device, dtype=dtype)
        from nas_exp.networks.cells import CellNetwork, draw_weights

        drawn = draw_weights(weights.seed, **size, dtype=dtype, device=weights.device)
        return CellNetwork(spec, drawn, N=self.N, dead_relus=form == "cells")

    def first_equal(self, arch_index: Sequence[int], form: str) -> Sequence[int]:
        """See `Space.first_equal`. Modules and counts have all parts, so there every architecture is its own."""
        if form in ("modules", "counts"):
            return arch_index
        from nas_exp.networks.cells import first_equal

        return first_equal(dead_relus=form == "cells")[np.asarray(arch_index, dtype=np.int64)].tolist()

    def twins(self, arch_index: IntArray) -> IntArray:
        """Return the number of the function that each architecture computes, up to relabelling: shape (n,)."""
        return _functions()[arch_index]

    def params(self, arch_index: IntArray, images: Images) -> IntArray:
        """See `Space.params`; those of operations that no signal passes count."""
        return self._counts(arch_index, images).params()

    def flops(self, arch_index: IntArray, images: Images) -> IntArray:
        """See `Space.flops`; those of operations that no signal passes count."""
        return self._counts(arch_index, images).flops(images.image_size)

    def _counts(self, arch_index: IntArray, images: Images) -> "Blueprint":
        from nas_exp.networks.counts import Blueprint

        weights = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        specs = np.asarray(arch_index)[..., None] // weights % len(OPERATIONS)
        return Blueprint(specs, C=self.C, N=self.N, num_classes=images.num_classes)


def spec_of_index(arch_index: int) -> Spec:
    """Return the spec of an `arch_index`."""
    return _SPACE.options(arch_index)


def index_of_spec(spec: Sequence[int]) -> int:
    """Return the `arch_index` of a spec."""
    return _SPACE.index(spec)


def str_of_index(arch_index: int) -> str:
    """Return the `arch_str` of an `arch_index`."""
    return _SPACE.spell(arch_index)


def index_of_str(arch_str: str) -> int:
    """Return the `arch_index` of an `arch_str`."""
    return _SPACE.parse(arch_str)


def str_of_spec(spec: Sequence[int]) -> str:
    """Return the `arch_str` of a spec, as NATS-Bench writes it."""
    nodes = []
    for node in range(1, NUM_NODES):
        incoming = [f"{OPERATIONS[op]}~{i}" for (i, j), op in zip(EDGES, spec, strict=True) if j == node]
        nodes.append("|" + "|".join(incoming) + "|")
    return "+".join(nodes)


def spec_of_str(arch_str: str) -> Spec:
    """Return the spec of an `arch_str`.

    Raises:
        InputError: the string does not describe a cell of this space.
    """
    nodes = arch_str.split("+")
    parts = [part for node in nodes for part in node.strip("|").split("|")]
    names = [part.rpartition("~")[0] for part in parts]
    if len(names) == len(EDGES) and all(name in OPERATIONS for name in names):
        spec = tuple(OPERATIONS.index(name) for name in names)
        if str_of_spec(spec) == arch_str:
            return spec
    raise InputError(
        f"architecture {arch_str[:200]!r}: expected a string like {str_of_spec((AVG_POOL_3X3,) * len(EDGES))} "
        f"with operations {', '.join(OPERATIONS)}"
    )


_SPACE = TopologySpace(C=16, N=5)


@functools.cache
def _indices() -> dict[str, int]:
    # `str_of_spec` of every architecture takes ten times as long, and every search waits for this
    template = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return {template.format(*names): index for index, names in enumerate(itertools.product(OPERATIONS, repeat=6))}


@functools.cache
def _functions() -> IntArray:
    """Number the functions that architectures compute: shape (15625,), equal for twins."""
    numbers: dict[object, int] = {}
    specs = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return np.array([numbers.setdefault(canonical_form(spec), len(numbers)) for spec in specs])


def live_edges(spec: Sequence[int], sinks: Collection[int] = (OUTPUT,)) -> tuple[int, ...]:
    """Return the positions in `EDGES` whose operations carry signal from the cell's input to its output.

    An edge is live when its operation is not `none`, its source is reached from the input, and a sink is reached from
    its target, both along edges that are not `none`.

    Args:
        spec: the six operation numbers.
        sinks: the nodes whose values are wanted.
    """
    open_edges = [(i, j) for (i, j), op in zip(EDGES, spec, strict=True) if op != NONE]
    from_input, to_sink = {INPUT}, set(sinks)
    # EDGES is sorted by target, so one pass in each direction settles both sets
    for i, j in open_edges:
        if i in from_input:
            from_input.add(j)
    for i, j in sorted(open_edges, reverse=True):
        if j in to_sink:
            to_sink.add(i)
    return tuple(
        position
        for position, ((i, j), op) in enumerate(zip(EDGES, spec, strict=True))
        if op != NONE and i in from_input and j in to_sink
    )


Expression = tuple["Term", ...]
"""What a node computes, as a sorted sum of terms; the empty sum is zero."""
Term = tuple[int, Expression]
"""An operation applied to an expression; the cell's input is `(SKIP_CONNECT, ())`."""


def node_values(spec: Sequence[int], *, by_edge: bool) -> tuple[Expression, ...]:
    """Return an expression for each node. Nodes with equal expressions compute the same function.

    A node is the sum of its incoming operations. `none` adds nothing, `skip_connect` adds the terms of its source,
    pooling, which is linear, adds each of them pooled, and a convolution adds one term of its own, unless its source is
    zero: convolution and batch normalisation as initialised map zero to zero. Sums are unordered, so their terms are
    sorted. Nothing else is identified: two convolutions of one input stay two terms.

    Args:
        spec: the six operation numbers.
        by_edge: whether convolutions on different edges are different operations, as they are once they have weights.
    """
    values: list[Expression] = [((SKIP_CONNECT, ()),)]
    for node in range(1, NUM_NODES):
        terms: list[Term] = []
        for edge, ((i, j), op) in enumerate(zip(EDGES, spec, strict=True)):
            if j != node or op == NONE or not values[i]:
                continue
            if op == SKIP_CONNECT:
                terms.extend(values[i])
            elif op == AVG_POOL_3X3:
                terms.extend((op, (term,)) for term in values[i])
            else:
                place = 1 + edge if by_edge else 0
                terms.append((op + len(OPERATIONS) * place, values[i]))
        values.append(tuple(sorted(terms)))
    return tuple(values)


def canonical_form(spec: Sequence[int]) -> Expression:
    """Return an expression that is equal for architectures that compute the same function up to relabelling."""
    return node_values(spec, by_edge=False)[OUTPUT]
