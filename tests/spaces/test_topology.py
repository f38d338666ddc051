from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.spaces import topology as space
from nas_exp.networks.cell_graph import EDGES, OPERATIONS
from nas_exp.spaces.topology import TopologySpace

specs = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))


@given(specs)
def test_three_spellings_name_the_same_architecture(spec: tuple[int, ...]) -> None:
    assert space.spec_of_str(space.str_of_spec(spec)) == spec
    assert space.spec_of_index(space.index_of_spec(spec)) == spec
    assert space.index_of_str(space.str_of_spec(spec)) == space.index_of_spec(spec)
    assert tuple(TopologySpace().specs[space.index_of_spec(spec)]) == spec


def test_spellings_follow_nats_bench() -> None:
    arch_str = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert space.spec_of_str(arch_str) == (4, 2, 1, 2, 1, 1)
    assert space.index_of_str(arch_str) == int("421211", 5)


@pytest.mark.parametrize(
    "arch_str",
    [
        "",
        "|none~0|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~1|",
        "|max_pool~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+",
    ],
)
def test_strings_that_are_no_architecture_are_refused(arch_str: str) -> None:
    with pytest.raises(InputError, match="expected a string like"):
        space.spec_of_str(arch_str)


@pytest.mark.parametrize("arch_index", [-1, 15625])
def test_indices_outside_the_space_are_refused(arch_index: int) -> None:
    with pytest.raises(InputError, match="from 0 to 15624"):
        space.spec_of_index(arch_index)


def test_neighbours_are_all_one_edge_changes() -> None:
    topology = TopologySpace()
    for arch_index in (0, 7, 15624):
        spec = topology.specs[arch_index]
        expected = [
            space.index_of_spec([*spec[:edge], op, *spec[edge + 1 :]])
            for edge in range(len(EDGES))
            for op in range(len(OPERATIONS))
            if op != spec[edge]
        ]
        assert topology.neighbours[arch_index].tolist() == expected


def test_mutation_is_uniform_over_neighbours() -> None:
    topology, rng = TopologySpace(), np.random.default_rng(0)
    counts = Counter(topology.mutate(1234, rng) for _ in range(4800))
    assert set(counts) == set(topology.neighbours[1234].tolist())
    # 200 expected each, standard deviation 13.8
    assert all(130 < count < 270 for count in counts.values())


def test_sampling_without_replacement_reaches_the_whole_space() -> None:
    topology = TopologySpace()
    drawn = topology.sample(np.random.default_rng(0), len(topology), replace=False)
    assert sorted(drawn.tolist()) == list(range(len(topology)))
