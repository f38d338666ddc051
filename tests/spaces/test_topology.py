import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.networks.cell_graph import EDGES, OPERATIONS
from nas_exp.spaces import topology as space
from tests.topology import SPECS, TOPOLOGY

specs = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))


@given(specs)
def test_three_spellings_name_the_same_architecture(spec: tuple[int, ...]) -> None:
    assert space.spec_of_str(space.str_of_spec(spec)) == spec
    assert TOPOLOGY.options(TOPOLOGY.index(spec)) == spec
    assert TOPOLOGY.parse(space.str_of_spec(spec)) == TOPOLOGY.index(spec)
    assert tuple(SPECS[TOPOLOGY.index(spec)]) == spec


def test_spellings_follow_nats_bench() -> None:
    arch_str = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert space.spec_of_str(arch_str) == (4, 2, 1, 2, 1, 1)
    assert TOPOLOGY.parse(arch_str) == int("421211", 5)


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
        TOPOLOGY.options(arch_index)


def test_neighbours_are_all_one_edge_changes() -> None:
    for arch_index in (0, 7, 15624):
        spec = SPECS[arch_index]
        expected = [
            TOPOLOGY.index([*spec[:edge], op, *spec[edge + 1 :]])
            for edge in range(len(EDGES))
            for op in range(len(OPERATIONS))
            if op != spec[edge]
        ]
        assert TOPOLOGY.neighbours(arch_index).tolist() == expected


def test_sampling_without_replacement_reaches_the_whole_space() -> None:
    drawn = TOPOLOGY.sample(np.random.default_rng(0), len(TOPOLOGY), replace=False)
    assert sorted(drawn.tolist()) == list(range(len(TOPOLOGY)))
