import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.spaces import topology as space
from nas_exp.spaces.topology import EDGES, NONE, OPERATIONS, SKIP_CONNECT
from tests.topology import SPECS, TOPOLOGY

specs = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))


@given(specs)
def test_three_spellings_name_the_same_architecture(spec: tuple[int, ...]) -> None:
    assert space.spec_of_str(space.str_of_spec(spec)) == spec
    assert space.spec_of_index(space.index_of_spec(spec)) == spec
    assert space.index_of_str(space.str_of_spec(spec)) == space.index_of_spec(spec)
    assert tuple(SPECS[space.index_of_spec(spec)]) == spec


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
    for arch_index in (0, 7, 15624):
        spec = SPECS[arch_index]
        expected = [
            space.index_of_spec([*spec[:edge], op, *spec[edge + 1 :]])
            for edge in range(len(EDGES))
            for op in range(len(OPERATIONS))
            if op != spec[edge]
        ]
        assert TOPOLOGY.neighbours(arch_index).tolist() == expected


def test_sampling_without_replacement_reaches_the_whole_space() -> None:
    drawn = TOPOLOGY.sample(np.random.default_rng(0), len(TOPOLOGY), replace=False)
    assert sorted(drawn.tolist()) == list(range(len(TOPOLOGY)))


def paths_live(spec: tuple[int, ...]) -> set[int]:
    """The edges on any path from input to output that meets no `none`, by walking all paths."""
    live: set[int] = set()

    def walk(node: int, path: tuple[int, ...]) -> None:
        if node == space.OUTPUT:
            live.update(path)
        for position, (i, j) in enumerate(EDGES):
            if i == node and spec[position] != NONE:
                walk(j, (*path, position))

    walk(space.INPUT, ())
    return live


@given(specs)
def test_live_edges_are_those_on_a_path_without_none(spec: tuple[int, ...]) -> None:
    assert set(space.live_edges(spec)) == paths_live(spec)


def test_the_space_has_4660_canonical_forms() -> None:
    # NAS-Bench-201 counts 6,466 with the same rules for `none` and `skip_connect`, but keeps the zeros that a node
    # sums, does not sort the terms that skip connections bring along, and pools sums as one; see docs/design.md.
    forms = {space.canonical_form(tuple(spec)) for spec in SPECS.tolist()}
    assert len(forms) == 4660


def test_canonical_forms_merge_whole_classes_of_nas_bench_201() -> None:
    from nats_bench.genotype_utils import topology_str2structure

    official: dict[str, set[space.Expression]] = {}
    for spec in SPECS.tolist():
        unique = topology_str2structure(space.str_of_spec(spec)).to_unique_str(consider_zero=True)
        official.setdefault(unique, set()).add(space.canonical_form(spec))
    assert len(official) == 6466
    assert all(len(forms) == 1 for forms in official.values())


def test_with_weights_convolutions_belong_to_edges() -> None:
    by_edge = {spec: space.node_values(spec, by_edge=True) for spec in ((3, 0, 0, 0, 1, 0), (0, 3, 0, 0, 0, 1))}
    first, second = (values[space.OUTPUT] for values in by_edge.values())
    assert first != second
    # but not pooling, and not skip connections
    pooled = [space.node_values(spec, by_edge=True)[space.OUTPUT] for spec in ((3, 1, 1, 0, 0, 4), (3, 0, 0, 4, 4, 0))]
    assert pooled[0] == pooled[1]


def test_relabelled_nodes_have_one_canonical_form() -> None:
    # input -conv3x3-> node 1 -skip-> output is input -conv3x3-> node 2 -skip-> output
    assert space.canonical_form((3, 0, 0, 0, 1, 0)) == space.canonical_form((0, 3, 0, 0, 0, 1))
    # a zero term adds nothing, and two skips in a row are one
    assert space.canonical_form((1, 0, 1, 0, 0, 1)) == space.canonical_form((0, 0, 3, SKIP_CONNECT, 0, 0))
    # a pooled sum is the sum of what is pooled
    assert space.canonical_form((3, 1, 1, 0, 0, 4)) == space.canonical_form((3, 0, 0, 4, 4, 0))
    # but two equal convolutions stay two
    assert space.canonical_form((3, 3, 0, 0, 1, 1)) != space.canonical_form((3, 0, 0, 0, 1, 0))
