"""The fast network against the plain one."""

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.metrics import Batch
from nas_exp.metrics.az_expressivity import az_expressivity
from nas_exp.metrics.az_progressivity import az_progressivity
from nas_exp.metrics.az_trainability import az_trainability
from nas_exp.metrics.epe_nas import epe_nas
from nas_exp.metrics.fisher import fisher
from nas_exp.metrics.grad_norm import grad_norm
from nas_exp.metrics.grasp import grasp
from nas_exp.metrics.jacob_cov import jacob_cov
from nas_exp.metrics.log_synflow import log_synflow
from nas_exp.metrics.meco import meco
from nas_exp.metrics.naswot import naswot
from nas_exp.metrics.plain import plain
from nas_exp.metrics.relu import relu
from nas_exp.metrics.snip import snip
from nas_exp.metrics.swap import swap
from nas_exp.metrics.synflow import synflow
from nas_exp.metrics.synflow_bn import synflow_bn
from nas_exp.metrics.vkdnw import vkdnw
from nas_exp.metrics.zen import zen
from nas_exp.metrics.zico import zico
from nas_exp.networks.cell_graph import EDGES, OPERATIONS, Spec, effective_cell, first_equal, live_edges
from nas_exp.networks.cells import (
    CellNetwork,
    cell_network_of,
    draw_weights,
)
from nas_exp.networks.modules import Network, initialise
from perf import reference
from tests.metrics.networks import SEEDS, SPECS, cell_network, ones_batch, random_batch
from tests.topology import SIZE, spec_of_index

METRICS: dict[str, Callable[..., float]] = {
    "relu": relu,
    "naswot": naswot,
    "synflow": synflow,
    "synflow_bn": synflow_bn,
    "log_synflow": log_synflow,
    "grad_norm": grad_norm,
    "snip": snip,
    "plain": plain,
    "fisher": fisher,
    "grasp": grasp,
    "jacob_cov": jacob_cov,
    "epe_nas": epe_nas,
    "zico": functools.partial(zico, batches=2),
    "az_expressivity": az_expressivity,
    "az_progressivity": az_progressivity,
    "az_trainability": functools.partial(az_trainability, noise_seed=0),
    "swap": swap,
}
CELLS_ALONE: dict[str, Callable[..., float]] = {
    "meco": meco,
    "zen": functools.partial(zen, samples=4, gamma=0.01, noise_seed=0),
    "vkdnw": functools.partial(vkdnw, directions=8, noise_seed=0),
}
"""Those that take no module: its layers that lead nowhere would count."""
DATA_FREE = {"synflow", "synflow_bn", "log_synflow", "zen"}
COUNT_DEAD_RELUS = {"relu", "naswot", "swap"}


def batch_for(name: str, seed: int, batch_size: int = 6) -> Batch:
    return ones_batch() if name in DATA_FREE else random_batch(seed, batch_size)


def equals(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9, abs=1e-11, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_cells_give_the_logits_of_modules(spec: Spec, seed: int) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed)
    torch.testing.assert_close(cell_network_of(network)(batch.images), network(batch.images), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=40, deadline=None)
@given(spec=SPECS, seed=SEEDS, batch_size=st.sampled_from([4, 6, 16, 18]))
def test_metrics_are_the_same_on_cells_and_on_modules(name: str, spec: Spec, seed: int, batch_size: int) -> None:
    network, batch, metric = cell_network(spec, seed), batch_for(name, seed, batch_size), METRICS[name]
    assert metric(cell_network_of(network), batch) == equals(metric(network, batch))


@pytest.mark.parametrize(
    ("plain", "metric"),
    [
        (reference.relu_per_layer, relu),
        (reference.relu_concatenated, relu),
        (reference.grad_norm, grad_norm),
        (reference.synflow, synflow),
    ],
)
@settings(max_examples=15, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_what_speed_is_measured_against_computes_the_same(
    plain: Callable[..., float], metric: Callable[..., float], spec: Spec, seed: int
) -> None:
    network = cell_network(spec, seed)
    batch = ones_batch() if metric is synflow else random_batch(seed)
    found, expected = metric(cell_network_of(network), batch), plain(network, batch)
    # the plain determinant of a singular matrix may be that of its rounding errors
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12) or (found == -math.inf and metric is relu)


@settings(max_examples=40, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_synflow_is_good_to_six_digits_in_single_precision(spec: Spec, seed: int) -> None:
    # deep and wide enough to leave the range of float32, which ends at 3e38
    drawn = {
        dtype: draw_weights(seed % 3, C=16, N=5, num_classes=10, dtype=dtype, device="cpu")
        for dtype in (torch.float32, torch.float64)
    }
    single, double = (
        synflow(CellNetwork(spec, weights, N=5), Batch(torch.ones(1, 3, 8, 8, dtype=dtype), torch.zeros(1)))
        for dtype, weights in drawn.items()
    )
    assert single == pytest.approx(double, rel=1e-6)


def test_synflow_exceeds_the_range_of_single_precision() -> None:
    drawn = draw_weights(0, C=16, N=8, num_classes=10, dtype=torch.float32, device="cpu")
    score = synflow(CellNetwork((3,) * 6, drawn, N=8), Batch(torch.ones(1, 3, 8, 8), torch.zeros(1)))
    assert 1e40 < score < float("inf")
    deeper = draw_weights(0, C=4, N=100, num_classes=10, dtype=torch.float32, device="cpu")
    assert synflow(CellNetwork((3,) * 6, deeper, N=100), Batch(torch.ones(1, 3, 8, 8), torch.zeros(1))) == float("inf")


@settings(max_examples=10, deadline=None)
@given(spec=SPECS, seed=SEEDS, N=st.integers(1, 3))
def test_weights_drawn_for_all_networks_are_those_of_each(spec: Spec, seed: int, N: int) -> None:
    network = Network(spec, C=4, N=N, num_classes=7)
    initialise(network, seed)
    drawn = draw_weights(seed, C=4, N=N, num_classes=7, dtype=torch.float32, device="cpu")
    for position, weight in cell_network_of(network).weights.items():
        assert torch.equal(weight, drawn[position])


@pytest.mark.parametrize("sample", [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("dead_relus", "networks"), [(True, 8084), (False, 7548)])
def test_equal_networks_have_equal_scores(dead_relus: bool, networks: int, sample: int) -> None:
    # scoring computes them once
    first = first_equal(dead_relus=dead_relus)
    assert len(np.unique(first)) == networks
    assert (first <= np.arange(SIZE)).all()
    drawn = draw_weights(0, C=4, N=1, num_classes=10, dtype=torch.float64, device="cpu")
    metrics = METRICS if dead_relus else {**METRICS, **CELLS_ALONE}
    equal = np.flatnonzero(first != np.arange(SIZE))
    for arch in np.random.default_rng(0).choice(equal, sample, replace=False).tolist():
        specs = spec_of_index(arch), spec_of_index(int(first[arch]))
        for name, metric in metrics.items():
            if not dead_relus and name in COUNT_DEAD_RELUS:
                continue
            batch = batch_for(name, 0)
            found, expected = (metric(CellNetwork(spec, drawn, N=1, dead_relus=dead_relus), batch) for spec in specs)
            assert found == equals(expected)
            if name in METRICS:
                assert metric(cell_network(specs[0], 0), batch) == equals(expected)


@pytest.mark.parametrize("name", sorted(METRICS.keys() - COUNT_DEAD_RELUS))
@settings(max_examples=20, deadline=None)
@given(spec=SPECS, seed=SEEDS)
def test_some_metrics_do_not_see_dead_convolutions(name: str, spec: Spec, seed: int) -> None:
    drawn = draw_weights(seed, C=4, N=1, num_classes=10, dtype=torch.float64, device="cpu")
    batch = batch_for(name, seed)
    every, live = (METRICS[name](CellNetwork(spec, drawn, N=1, dead_relus=dead), batch) for dead in (True, False))
    assert every == pytest.approx(live, rel=0, abs=0, nan_ok=True)


@given(spec=SPECS)
def test_live_edges_and_only_what_relus_need_are_computed(spec: Spec) -> None:
    computed = {edge for edge, _, _ in effective_cell(spec).computed}
    assert set(live_edges(spec)) <= computed
    if not any(OPERATIONS[op].startswith("nor_conv") for op in spec):
        assert set(live_edges(spec)) == computed


def test_a_dead_convolution_counts_its_relu() -> None:
    dead_end = (3, 0, 2, 1, 0, 0)  # input -3x3-> node 1 -1x1-> node 2, which goes nowhere
    cell = effective_cell(dead_end)
    assert cell.relus == (1, 1, 0)
    assert [edge for edge, _, _ in cell.computed] == [EDGES.index((0, 1)), EDGES.index((0, 3))]


def test_the_shared_weights_cannot_be_replaced() -> None:
    drawn = draw_weights(0, C=4, N=1, num_classes=10, dtype=torch.float32, device="cpu")
    with pytest.raises(TypeError):
        drawn[0, 0, 3] = torch.zeros(1)  # type: ignore[index]


def test_scoring_on_cells_leaves_shared_weights_alone() -> None:
    drawn = draw_weights(3, C=4, N=1, num_classes=10, dtype=torch.float64, device="cpu")
    before = {position: weight.clone() for position, weight in drawn.items()}
    network = CellNetwork((3, 2, 4, 1, 3, 2), drawn, N=1)
    for name, metric in {**METRICS, **CELLS_ALONE}.items():
        metric(network, batch_for(name, 0))
    assert all(torch.equal(weight, before[position]) for position, weight in drawn.items())
    assert not any(weight.requires_grad for weight in drawn.values())
