"""The search space of a sweep, as far as a report asks for it."""

import functools
from typing import NamedTuple

import numpy as np

from nas_exp.arrays import IntArray
from nas_exp.spaces.topology import SIZE, canonical_form, spec_of_index, str_of_index


class Schedules(NamedTuple):
    """For how many epochs the benchmark has trained."""

    short: int
    full: int


class TopologySpace:
    """The topology space of NATS-Bench."""

    name = "topology"
    schedules = Schedules(short=12, full=200)

    def spell(self, arch_index: int) -> str:
        """Return the `arch_str`."""
        return str_of_index(arch_index)

    @functools.cache  # noqa: B019 - there is one such space
    def twins(self) -> IntArray:
        """Number the functions that architectures compute: shape (len(space),), equal for twins."""
        numbers: dict[object, int] = {}
        return np.array([numbers.setdefault(canonical_form(spec_of_index(arch)), len(numbers)) for arch in range(SIZE)])


TOPOLOGY = TopologySpace()
