"""The NATS-Bench topology search space (NAS-Bench-201): 15,625 cells of 6 edges and 5 operations.

An architecture's options are the operation numbers of its edges, its `spec`, in the order of `EDGES`. Its `arch_str` is
as NATS-Bench writes it: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, the incoming edges of nodes 1, 2 and 3. Its
`arch_index` runs from 0 to 15624; NATS-Bench's own index is another one: join with it on `arch_str`.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.bounds import AtLeast, AtMost
from nas_exp.errors import InputError
from nas_exp.networks.cell_graph import (
    AVG_POOL_3X3,
    EDGES,
    NUM_NODES,
    OPERATIONS,
    Spec,
    all_specs,
    canonical_form,
    first_equal,
)
from nas_exp.networks.counts import Counts
from nas_exp.spaces.space import Dataset, Schedules, Space, Weights


class TopologySpace(Space):
    """The space of cells, each with the official network: three stages of N cells, with C, 2C and 4C channels."""

    choices = (OPERATIONS,) * len(EDGES)
    positions = tuple(f"{i}->{j}" for i, j in EDGES)
    name = "topology"
    schedules = Schedules(short=12, full=200)
    reaches_every_relu = True  # the operation `none` is a product with zero, which passes gradients on

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
        return {"space": "topology", "network": {"C": self.C, "N": self.N}}

    def check(self, dataset: Dataset) -> None:
        if dataset.image_size % 4:
            raise InputError(
                f"dataset.image_size={dataset.image_size}: expected a multiple of 4, as it is halved twice"
            )

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

    def network(self, arch_index: int, form: str, dataset: Dataset, weights: Weights) -> Any:
        """Return the official network of an architecture.

        Args:
            arch_index: the architecture.
            form: ``cells``, a fast `CellNetwork`; ``live_cells``, the same without the ReLUs of convolutions that lead
                nowhere; ``modules``, the same network as a `torch.nn.Module`; or ``counts``, its `Counts`, without
                weights.
            dataset: what it classifies.
            weights: how its weights are made.
        """
        spec, size = self.options(arch_index), {"C": self.C, "N": self.N, "num_classes": dataset.num_classes}
        if form == "counts":
            return Counts(np.array(spec), **size)
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
        return first_equal(dead_relus=form == "cells")[np.asarray(arch_index, dtype=np.int64)].tolist()

    def twins(self, arch_index: IntArray) -> IntArray:
        """Return the number of the function that each architecture computes, up to relabelling: shape (n,)."""
        return _functions()[arch_index]

    def params(self, arch_index: IntArray, dataset: Dataset) -> IntArray:
        """See `Space.params`; those of operations that no signal passes count."""
        return self._counts(arch_index, dataset).params()

    def flops(self, arch_index: IntArray, dataset: Dataset) -> IntArray:
        """See `Space.flops`; those of operations that no signal passes count."""
        return self._counts(arch_index, dataset).flops(dataset.image_size)

    def _counts(self, arch_index: IntArray, dataset: Dataset) -> Counts:
        weights = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        specs = np.asarray(arch_index)[..., None] // weights % len(OPERATIONS)
        return Counts(specs, C=self.C, N=self.N, num_classes=dataset.num_classes)


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


@functools.cache
def _indices() -> dict[str, int]:
    # `str_of_spec` of every architecture takes ten times as long, and every search waits for this
    template = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return {template.format(*names): index for index, names in enumerate(itertools.product(OPERATIONS, repeat=6))}


@functools.cache
def _functions() -> IntArray:
    """Number the functions that architectures compute: shape (15625,), equal for twins."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(canonical_form(spec), len(numbers)) for spec in all_specs()])
