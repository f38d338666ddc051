"""The NATS-Bench topology search space (NAS-Bench-201): 15,625 cells of 6 edges and 5 operations.

An architecture has three spellings, all of them used in the field:

* `arch_str`, as NATS-Bench writes it: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``, the incoming edges of nodes 1, 2, 3;
* `spec`, the six operation numbers in the order of `EDGES`;
* `arch_index`, the spec read as a base-5 number, first edge most significant: 0 to 15624. NATS-Bench's own index is
  another one: join with it on `arch_str`.
"""

import functools
from collections.abc import Sequence

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.errors import InputError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP_CONNECT, NOR_CONV_1X1, NOR_CONV_3X3, AVG_POOL_3X3 = range(5)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NUM_NODES = 4
INPUT, OUTPUT = 0, NUM_NODES - 1
SIZE = len(OPERATIONS) ** len(EDGES)

Spec = tuple[int, ...]


class TopologySpace:
    """The space as search algorithms see it: architectures are integers, `arch_index`, from 0 to `len(space) - 1`."""

    name = "topology"

    def __len__(self) -> int:
        return SIZE

    def sample(self, rng: np.random.Generator, size: int, *, replace: bool) -> IntArray:
        """Draw `size` architectures uniformly; shape (size,).

        Raises:
            ValueError: `size` is larger than the space and `replace` is false.
        """
        return rng.choice(len(self), size=size, replace=replace).astype(np.int64)

    @functools.cached_property
    def neighbours(self) -> IntArray:
        """Every one-edge change of every architecture: shape (15625, 24), row = `arch_index`.

        Column `4 * edge + k` changes `edge` to the k-th of its four other operations in ascending order, so a uniform
        column is a uniform edge and a uniform other operation.
        """
        specs = self.specs
        weights = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        other = np.arange(len(OPERATIONS) - 1)
        changed = other + (other >= specs[:, :, None])
        index = np.arange(len(self))[:, None, None] + (changed - specs[:, :, None]) * weights[:, None]
        return index.reshape(len(self), -1)

    @functools.cached_property
    def specs(self) -> IntArray:
        """The specs of all architectures: shape (15625, 6), row = `arch_index`."""
        grid = np.indices((len(OPERATIONS),) * len(EDGES), dtype=np.int64)
        return grid.reshape(len(EDGES), -1).T.copy()

    def mutate(self, arch_index: int, rng: np.random.Generator) -> int:
        """Change one uniformly drawn edge of the architecture to another uniformly drawn operation."""
        return int(self.neighbours[arch_index, rng.integers(self.neighbours.shape[1])])


def spec_of_index(arch_index: int) -> Spec:
    """Return the spec of an `arch_index`.

    Raises:
        InputError: the index is not in 0…15624.
    """
    if not 0 <= arch_index < SIZE:
        raise InputError(f"architecture {arch_index}: expected an arch_index from 0 to {SIZE - 1}")
    return tuple(int(digit) for digit in np.base_repr(arch_index, len(OPERATIONS)).zfill(len(EDGES)))


def index_of_spec(spec: Sequence[int]) -> int:
    """Return the `arch_index` of a spec.

    Raises:
        InputError: the spec is not six operation numbers from 0 to 4.
    """
    if len(spec) != len(EDGES) or not all(0 <= op < len(OPERATIONS) for op in spec):
        raise InputError(f"spec {list(spec)}: expected {len(EDGES)} operation numbers from 0 to {len(OPERATIONS) - 1}")
    return functools.reduce(lambda number, op: number * len(OPERATIONS) + op, (int(op) for op in spec), 0)


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


def str_of_index(arch_index: int) -> str:
    """Return the `arch_str` of an `arch_index`."""
    return str_of_spec(spec_of_index(arch_index))


def index_of_str(arch_str: str) -> int:
    """Return the `arch_index` of an `arch_str`."""
    return index_of_spec(spec_of_str(arch_str))
