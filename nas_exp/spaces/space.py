"""What a search space is: a grid of choices, and how a choice becomes a network.

An architecture has three forms: its `options`, one number for each position of the grid; its `arch_index`, the options
read as a mixed-radix number, first position most significant; and its `arch_str`, the options as the field spells them.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.errors import InputError

if TYPE_CHECKING:
    from torch import nn

WHOLE = 10_000_000
"""The largest space that is ever looked at whole: its architectures are listed, and sampled in one permutation."""

_LARGEST = 2**63 - 1  # what files and arrays hold as an arch_index


@dataclass(frozen=True)
class Schedules:
    """How many epochs a benchmark has trained the networks of a space."""

    short: int
    full: int


@dataclass(frozen=True)
class Dataset:
    """What networks are built for: the number of classes, and the height and width of an image in pixels."""

    num_classes: int
    image_size: int


@dataclass(frozen=True)
class Weights:
    """How a network's weights are made: the seed they are drawn from, their torch dtype by name, and their device."""

    seed: int
    dtype: str
    device: str


class Space:
    """A search space. Algorithms see `len`, `sample`, `neighbours`, `radices` and `positions`, and nothing else.

    A space of one's own is a class with `choices` and `build`; keyword-only parameters of its constructor are the keys
    of its YAML. It is picklable, as processes that score get it.
    """

    choices: Sequence[Sequence[str]]
    """The names of the options at each position. No name holds a comma."""
    name: str = ""
    """What the configuration calls it."""
    parameters: Mapping[str, Any] = MappingProxyType({})
    """The keyword arguments that it was made with."""
    schedules: Schedules | None = None
    """How long benchmarks of this space train; None: benchmarks have one training only."""

    reaches_every_relu: bool = False
    """Whether a backward pass reaches every ReLU of every network, so that metrics which are the same under that
    condition share tables."""

    def named(self, name: str, parameters: Mapping[str, Any]) -> Self:
        """Say what the configuration calls this space, and which arguments it was made with.

        Raises:
            InputError: there is no choice, a position without options, or more architectures than an index can hold.
        """
        self.name, self.parameters = name, dict(parameters)
        if not self.radices or not all(self.radices):
            raise InputError(f"space={name}: expected at least one position, and at least one option at each")
        if math.prod(self.radices) > _LARGEST:
            raise InputError(f"space={name}: has more than {_LARGEST:,} architectures, which no index can hold")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What scores depend on: JSON values. It names score tables, and so it must not change while they are valid."""
        target = f"{type(self).__module__}.{type(self).__qualname__}"
        return {"space": self.name, "network": {"_target_": target, **self.parameters}}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.identity == self.identity

    def __hash__(self) -> int:
        return hash(json.dumps(self.identity, sort_keys=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity})"

    @functools.cached_property
    def radices(self) -> tuple[int, ...]:
        """The number of options at each position."""
        return tuple(len(options) for options in self.choices)

    @property
    def positions(self) -> Sequence[str]:
        """The names of the positions. Optuna's samplers go by the order of the names."""
        return [f"{number:03}" for number in range(len(self.radices))]

    @functools.cached_property
    def _size(self) -> int:
        return math.prod(self.radices)

    def __len__(self) -> int:
        return self._size

    @property
    def is_small(self) -> bool:
        """Whether the space may be looked at whole."""
        return self._size <= WHOLE

    def sample(self, rng: np.random.Generator, size: int, *, replace: bool) -> IntArray:
        """Draw `size` architectures uniformly; shape (size,).

        Raises:
            ValueError: `size` is larger than the space and `replace` is false.
        """
        return rng.choice(self._size, size=size, replace=replace).astype(np.int64)

    def neighbours(self, arch_index: int) -> IntArray:
        """Return every change of one position to another option: shape (Σ(radix - 1),).

        Positions come in order, and at each the other options in ascending order, so that a uniform neighbour of a
        space with equal radices is a uniform position and a uniform other option.
        """
        return _neighbours(self.radices, arch_index)

    def options(self, arch_index: int) -> tuple[int, ...]:
        """Return the options of an architecture.

        Raises:
            InputError: the index is not in the space.
        """
        if not 0 <= arch_index < self._size:
            raise InputError(f"architecture {arch_index}: expected an arch_index from 0 to {self._size - 1}")
        return _options(self.radices, arch_index)

    def index(self, options: Sequence[int]) -> int:
        """Return the `arch_index` of options.

        Raises:
            InputError: they are not one number for each position, each below its radix.
        """
        if len(options) != len(self.radices) or not all(
            0 <= option < radix for option, radix in zip(options, self.radices, strict=True)
        ):
            raise InputError(f"options {list(options)}: expected {len(self.radices)} numbers, below {self.radices}")
        pairs = zip((int(option) for option in options), self.radices, strict=True)
        return functools.reduce(lambda number, pair: number * pair[1] + pair[0], pairs, 0)

    def spell(self, arch_index: int) -> str:
        """Return the `arch_str` of an architecture: the names of its options, with commas between them."""
        return ",".join(names[option] for names, option in zip(self.choices, self.options(arch_index), strict=True))

    def parse(self, arch_str: str) -> int:
        """Return the `arch_index` of an `arch_str`.

        Raises:
            InputError: the string does not spell an architecture of this space.
        """
        names = arch_str.split(",")
        if len(names) == len(self.choices) and all(
            name in options for name, options in zip(names, self.choices, strict=True)
        ):
            return self.index([list(options).index(name) for name, options in zip(names, self.choices, strict=True)])
        raise InputError(f"architecture {arch_str[:200]!r}: expected a string like {self.spell(0)}")

    def parse_all(self, arch_strs: Sequence[str]) -> IntArray:
        """Return the `arch_index` of each `arch_str`, -1 for what is not in the space: shape (len(arch_strs),)."""
        return np.array([self._parsed(arch_str) for arch_str in arch_strs], dtype=np.int64)

    def _parsed(self, arch_str: str) -> int:
        try:
            return self.parse(arch_str)
        except InputError:
            return -1

    def check(self, dataset: Dataset) -> None:
        """Check that networks of this space can be built for such a dataset.

        Raises:
            InputError: they cannot.
        """

    def build(self, options: Sequence[str], dataset: Dataset) -> "nn.Module":
        """Build the network of an architecture, with the weights that PyTorch draws by default.

        Args:
            options: the name of the option at each position.
            dataset: what it classifies; it maps (B, 3, H, W) to logits (B, num_classes).
        """
        raise NotImplementedError

    def network(self, arch_index: int, form: str, dataset: Dataset, weights: Weights) -> Any:
        """Return the network of an architecture as a metric sees it, a function of its arguments alone.

        Args:
            arch_index: the architecture.
            form: which form it has. Here all but ``counts`` are the `torch.nn.Module` of `build`, in training mode;
                spaces may have faster ones for ``cells`` and ``live_cells``.
            dataset: what it classifies.
            weights: how its weights are made.

        Raises:
            InputError: the space has no networks of that form.
        """
        if form == "counts":
            raise InputError(f"metric.network=counts: space={self.name} counts nothing; expected modules")
        import torch

        names = [names[option] for names, option in zip(self.choices, self.options(arch_index), strict=True)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights.seed)
            module = self.build(names, dataset)
        return module.to(device=weights.device, dtype=getattr(torch, weights.dtype)).train()

    def first_equal(self, arch_index: Sequence[int], form: str) -> Sequence[int]:
        """Return, for each architecture, the first of the space whose network is equal to its own in that form.

        Equal networks have equal scores but for rounding, so that one of them is computed. By default all differ.
        """
        return arch_index

    def by_network(self, arch_index: Sequence[int], form: str) -> dict[int, list[int]]:
        """Group architectures whose networks are equal in a form, by the one of them that is computed.

        It is the same one whatever else is asked for.
        """
        groups: dict[int, list[int]] = {}
        for first, arch in zip(self.first_equal(arch_index, form), arch_index, strict=True):
            groups.setdefault(int(first), []).append(int(arch))
        return groups

    def twins(self, arch_index: IntArray) -> IntArray | None:
        """Return a number for each architecture, equal for those that compute the same function once trained.

        Shape (n,), as `arch_index`. None where a space does not know.
        """
        return None

    def params(self, arch_index: IntArray, dataset: Dataset) -> IntArray:
        """Return the numbers of trainable parameters: shape (n,), as `arch_index`.

        Raises:
            InputError: the space cannot count them.
        """
        raise InputError(f"space={self.name}: does not count parameters")

    def flops(self, arch_index: IntArray, dataset: Dataset) -> IntArray:
        """Return the multiply-adds of one image's forward pass: shape (n,), as `arch_index`.

        Raises:
            InputError: the space cannot count them.
        """
        raise InputError(f"space={self.name}: does not count multiply-adds")


def _options(radices: Sequence[int], arch_index: int) -> tuple[int, ...]:
    options = []
    for radix in reversed(radices):
        arch_index, option = divmod(arch_index, radix)
        options.append(option)
    return tuple(reversed(options))


# searches ask for the neighbours of their best architectures again and again
@functools.lru_cache(maxsize=4096)
def _neighbours(radices: tuple[int, ...], arch_index: int) -> IntArray:
    weight, radix, other = _changes(radices)
    option = arch_index // weight % radix
    neighbours: IntArray = arch_index + (other + (other >= option) - option) * weight
    neighbours.flags.writeable = False
    return neighbours


@functools.lru_cache(maxsize=16)
def _changes(radices: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
    """Return, for each change of one position, the weight and radix of the position and which other option it takes.

    Each has shape (Σ(radix - 1),). The other options of a position are numbered from 0, without the present one.
    """
    weights = [math.prod(radices[position + 1 :]) for position in range(len(radices))]
    changes = [
        (weight, radix, other) for weight, radix in zip(weights, radices, strict=True) for other in range(radix - 1)
    ]
    weight, radix, other = np.array(changes, dtype=np.int64).reshape(-1, 3).T.copy()
    return weight, radix, other
