"""Arithmetic on the cells of the topology space: what carries signal, what has to be computed, and what is equal."""

import functools
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.errors import InputError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP_CONNECT, NOR_CONV_1X1, NOR_CONV_3X3, AVG_POOL_3X3 = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_NODES = 4
INPUT, OUTPUT = 0, NUM_NODES - 1

Spec = tuple[int, ...]
"""The operation number of each edge, in the order of `EDGES`."""

KERNEL_SIZES = {NOR_CONV_1X1: 1, NOR_CONV_3X3: 3}
"""The operations that are convolutions, by number."""


def check_spec(spec: Sequence[int]) -> None:
    """Check that a spec describes a cell.

    Raises:
        InputError: it is not six operation numbers from 0 to 4.
    """
    if len(spec) != len(EDGES) or not all(0 <= op < len(OPERATIONS) for op in spec):
        raise InputError(f"spec {list(spec)}: expected {len(EDGES)} operation numbers from 0 to {len(OPERATIONS) - 1}")


def all_specs() -> Iterator[Spec]:
    """Yield the specs of all cells, in the order of `arch_index`."""
    return itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))


def live_edges(spec: Sequence[int], sinks: Collection[int] = (OUTPUT,)) -> tuple[int, ...]:
    """Return the positions in `EDGES` of the operations that carry signal from the cell's input to its output.

    An edge is live when its operation is not `none`, the input reaches its source, and its target reaches a sink, along
    edges that are not `none`.

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


@dataclass(frozen=True)
class CellPlan:
    """What has to be computed of a cell, node by node."""

    edges: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...]
    """For each node that the input reaches, in order: the node, and (position in `EDGES`, source, operation) of each
    edge into it that is computed."""
    relus: tuple[int, ...]
    """For each node but the last, how many of the convolutions that count read it."""
    only_convolved: frozenset[int]
    """Nodes that only convolutions read."""

    @property
    def computed(self) -> list[tuple[int, int, int]]:
        """(position in `EDGES`, source, operation) of all edges that are computed."""
        return [edge for _, into in self.edges for edge in into]


@functools.lru_cache(maxsize=16384)
def effective_cell(spec: tuple[int, ...], *, dead_relus: bool = True) -> CellPlan:
    """Return what has to be computed of an architecture's cell.

    An edge is computed when the input reaches its source and the output needs its target.

    Args:
        spec: the six operation numbers, in the order of `EDGES`.
        dead_relus: whether a convolution that leads nowhere still needs its source, whose ReLU counts.
    """
    convolutions = [edge for edge, op in enumerate(spec) if op in KERNEL_SIZES]
    live = live_edges(spec, sinks=[OUTPUT, *(EDGES[edge][0] for edge in convolutions if dead_relus)])
    counted = convolutions if dead_relus else [edge for edge in convolutions if edge in live]
    edges: dict[int, list[tuple[int, int, int]]] = {}
    for edge in live:
        source, target = EDGES[edge]
        edges.setdefault(target, []).append((edge, source, spec[edge]))
    return CellPlan(
        edges=tuple((target, tuple(into)) for target, into in edges.items()),
        relus=tuple(sum(EDGES[edge][0] == node for edge in counted) for node in range(OUTPUT)),
        only_convolved=frozenset(range(OUTPUT)) - {EDGES[edge][0] for edge in live if edge not in convolutions},
    )


Expression = tuple["Term", ...]
"""What a node computes, as a sorted sum of terms; the empty sum is zero."""
Term = tuple[int, Expression]
"""An operation applied to an expression; the cell's input is `(SKIP_CONNECT, ())`."""


def node_values(spec: Sequence[int], *, by_edge: bool) -> tuple[Expression, ...]:
    """Return an expression for each node; nodes with equal expressions compute the same function.

    A node is the sum of its incoming operations. `none` adds nothing. `skip_connect` adds the terms of its source.
    Pooling is linear and adds each of them pooled. A convolution adds one term of its own, unless its source is zero:
    convolution and batch normalisation as initialised map zero to zero. Terms are sorted, since sums have no order.
    Nothing else is identified: two convolutions of one input stay two terms.

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


@functools.lru_cache(maxsize=2)
def first_equal(*, dead_relus: bool = True) -> IntArray:
    """Return the first architecture that makes the same network, for each of the space: shape (15625,), `arch_index`.

    Networks are the same when by `node_values` they compute the same function of the same weights and, with
    `dead_relus`, their ReLUs see the same. Their scores are equal but for rounding.
    """
    classes: dict[object, int] = {}
    return np.array([classes.setdefault(_function(spec, dead_relus), arch) for arch, spec in enumerate(all_specs())])


def _function(spec: Sequence[int], dead_relus: bool) -> tuple[object, ...]:
    values = node_values(spec, by_edge=True)
    relus = Counter(values[EDGES[edge][0]] for edge, op in enumerate(spec) if op in KERNEL_SIZES)
    return values[OUTPUT], frozenset(relus.items()) if dead_relus else None
