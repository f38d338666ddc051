import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_exp.metrics import Batch
from nas_exp.metrics.swap import count_different, swap
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from tests.metrics.networks import SEEDS, SPECS, cell_network, other_network, random_batch


def reference(network: nn.Module, batch: Batch) -> int:
    """A set of patterns, unit by unit."""
    patterns = set[tuple[bool, ...]]()

    def watch(_: object, inputs: tuple[Tensor]) -> None:
        patterns.update(map(tuple, (inputs[0].detach() > 0).flatten(1).T.tolist()))

    for relu in network.modules():
        if isinstance(relu, nn.ReLU):
            relu.register_forward_pre_hook(watch)
    network(batch.images)
    return len(patterns)


@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS, batch_size=st.sampled_from([3, 8, 11]))
def test_counts_patterns(spec: Spec, seed: int, batch_size: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed, batch_size)
    on_cells, on_modules = swap(cell_network_of(network), batch), swap(network, batch)
    assert on_cells == on_modules == reference(network, batch)


def test_works_on_any_network() -> None:
    assert swap(other_network(), random_batch(0)) == reference(other_network(), random_batch(0))


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16])
def test_rows_of_any_width_are_told_apart(width: int) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (200, width), dtype=np.uint8)
    assert count_different(rows) == len(set(map(bytes, rows)))
