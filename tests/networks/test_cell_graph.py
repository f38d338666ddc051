"""What is live, what is equal: the arithmetic on cells."""

from hypothesis import given
from hypothesis import strategies as st

from nas_exp.networks.cell_graph import (
    EDGES,
    INPUT,
    NONE,
    OPERATIONS,
    OUTPUT,
    SKIP_CONNECT,
    Expression,
    canonical_form,
    live_edges,
    node_values,
)
from nas_exp.spaces.topology import str_of_spec
from tests.topology import SPECS

specs = st.tuples(*[st.integers(0, len(OPERATIONS) - 1)] * len(EDGES))


def paths_live(spec: tuple[int, ...]) -> set[int]:
    """The edges on any path from input to output that meets no `none`, by walking all paths."""
    live: set[int] = set()

    def walk(node: int, path: tuple[int, ...]) -> None:
        if node == OUTPUT:
            live.update(path)
        for position, (i, j) in enumerate(EDGES):
            if i == node and spec[position] != NONE:
                walk(j, (*path, position))

    walk(INPUT, ())
    return live


@given(specs)
def test_live_edges_are_those_on_a_path_without_none(spec: tuple[int, ...]) -> None:
    assert set(live_edges(spec)) == paths_live(spec)


def test_the_space_has_4660_canonical_forms() -> None:
    # NAS-Bench-201 counts 6,466 with the same rules for `none` and `skip_connect`, but keeps the zeros that a node
    # sums, does not sort the terms that skip connections bring along, and pools sums as one; see docs/decisions.md.
    forms = {canonical_form(tuple(spec)) for spec in SPECS.tolist()}
    assert len(forms) == 4660


def test_canonical_forms_merge_whole_classes_of_nas_bench_201() -> None:
    from nats_bench.genotype_utils import topology_str2structure

    official: dict[str, set[Expression]] = {}
    for spec in SPECS.tolist():
        unique = topology_str2structure(str_of_spec(spec)).to_unique_str(consider_zero=True)
        official.setdefault(unique, set()).add(canonical_form(spec))
    assert len(official) == 6466
    assert all(len(forms) == 1 for forms in official.values())


def test_with_weights_convolutions_belong_to_edges() -> None:
    by_edge = {spec: node_values(spec, by_edge=True) for spec in ((3, 0, 0, 0, 1, 0), (0, 3, 0, 0, 0, 1))}
    first, second = (values[OUTPUT] for values in by_edge.values())
    assert first != second
    # but not pooling, and not skip connections
    pooled = [node_values(spec, by_edge=True)[OUTPUT] for spec in ((3, 1, 1, 0, 0, 4), (3, 0, 0, 4, 4, 0))]
    assert pooled[0] == pooled[1]


def test_relabelled_nodes_have_one_canonical_form() -> None:
    # input -conv3x3-> node 1 -skip-> output is input -conv3x3-> node 2 -skip-> output
    assert canonical_form((3, 0, 0, 0, 1, 0)) == canonical_form((0, 3, 0, 0, 0, 1))
    # a zero term adds nothing, and two skips in a row are one
    assert canonical_form((1, 0, 1, 0, 0, 1)) == canonical_form((0, 0, 3, SKIP_CONNECT, 0, 0))
    # a pooled sum is the sum of what is pooled
    assert canonical_form((3, 1, 1, 0, 0, 4)) == canonical_form((3, 0, 0, 4, 4, 0))
    # but two equal convolutions stay two
    assert canonical_form((3, 3, 0, 0, 1, 1)) != canonical_form((3, 0, 0, 0, 1, 0))
