import dataclasses
import itertools
import time
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.config.types import Metric
from nas_exp.errors import InputError
from nas_exp.metrics import Batch
from nas_exp.metrics.backward import image_gradients, loss_gradients
from nas_exp.metrics.hamming_kernel import similarity
from nas_exp.metrics.passes import Pass, computed_from, run_passes
from nas_exp.metrics.snip import snip
from nas_exp.networks.cell_graph import Spec
from nas_exp.networks.cells import cell_network_of
from nas_exp.scoring.compute import compute
from nas_exp.scoring.recipe import Recipe
from nas_exp.spaces.space import Dataset
from nas_exp.spaces.topology import TopologySpace
from tests.metrics.networks import SEEDS, SPECS, cell_network, random_batch

PASSES: dict[Pass, dict[str, bool]] = {loss_gradients: {"saliences": True}, image_gradients: {}, similarity: {}}
TOGETHER = [dict(some) for count in range(1, len(PASSES) + 1) for some in itertools.combinations(PASSES.items(), count)]


def tensors(yielded: Any) -> list[torch.Tensor]:
    if isinstance(yielded, torch.Tensor):
        return [yielded]
    values = [value if isinstance(value, list | tuple) else [value] for value in vars(yielded).values()]
    return [tensor for some in values for tensor in some if isinstance(tensor, torch.Tensor)]


@settings(max_examples=40, deadline=None)
@given(spec=SPECS, seed=SEEDS, wanted=st.sampled_from(TOGETHER), cells=st.booleans())
def test_passes_yield_together_what_each_yields_alone(
    spec: Spec, seed: int, wanted: dict[Pass, dict[str, bool]], cells: bool
) -> None:
    network, batch = cell_network(spec, seed), random_batch(seed, 16)
    form = cell_network_of(network) if cells else network
    together = run_passes(form, batch, wanted)
    assert together.keys() == wanted.keys()
    for run, options in wanted.items():
        torch.testing.assert_close(
            tensors(together[run][0]), tensors(run(form, batch, **options)), rtol=0, atol=0, equal_nan=True
        )


def test_all_of_what_passes_yield_is_compared() -> None:
    network, batch = cell_network_of(cell_network((3,) * 6, 0)), random_batch(0)
    layers = len(network.layers())
    assert len(tensors(loss_gradients(network, batch, saliences=True))) == 3 * layers
    assert len(tensors(image_gradients(network, batch))) == 2
    assert len(tensors(similarity(network, batch))) == 1


def test_slopes_do_not_disturb_the_saliences_that_are_found_before() -> None:
    network, batch = cell_network_of(cell_network((3, 2, 1, 4, 3, 2), 0)), random_batch(0)
    alone = loss_gradients(network, batch, saliences=True).saliences
    found = run_passes(network, batch, PASSES)[loss_gradients][0].saliences
    assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))


CALLS = list[int]()


def busy(seconds: float) -> None:
    """Take that much of the processor."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def slow_pass(network: object, batch: Batch) -> int:
    CALLS.append(1)
    busy(0.1)
    return len(batch.labels)


@computed_from(slow_pass)
def first(found: int) -> float:
    return found


@computed_from(slow_pass)
def second(found: int, *, factor: float) -> float:
    busy(0.05)
    return factor * found


def recipe(function: str, **arguments: Any) -> Recipe:
    metric = Metric(
        name=function, target=f"{__name__}.{function}", input="ones", network="live_cells", dtype="float64", seed=0,
        version=1, arguments=arguments,
    )  # fmt: skip
    return Recipe(f"{function} {arguments}", metric, TopologySpace(C=4, N=1), Dataset(10, 8), None, "cpu")


def test_what_is_shared_is_computed_once_and_counts_in_full_for_each() -> None:
    CALLS.clear()
    ((alone, other),) = compute([(recipe("first"), [9]), (recipe("second", factor=3.0), [9])], n_jobs=1)
    assert len(CALLS) == 1
    assert (alone[0].score, other[0].score) == (1, 3)
    assert 0.1 <= alone[0].seconds < 0.15 <= other[0].seconds


def test_a_metric_that_is_asked_for_alone_runs_its_pass() -> None:
    CALLS.clear()
    (((found,),),) = compute([(recipe("second", factor=2.0), [9])], n_jobs=1)
    assert (len(CALLS), found.score) == (1, 2)
    assert found.seconds >= 0.15


def test_metrics_that_lack_different_architectures_are_scored_on_those() -> None:
    CALLS.clear()
    wanted = [(recipe("first"), [2578, 4112]), (recipe("second", factor=1.0), [4112, 12556])]
    chunks = list(compute(wanted, n_jobs=1))
    found = [[row.arch_index for chunk in chunks for row in chunk[number]] for number in (0, 1)]
    assert [sorted(archs) for archs in found] == [[2578, 4112], [4112, 12556]]
    assert len(CALLS) == 3


def test_a_metric_takes_the_forms_of_the_network_that_its_pass_takes() -> None:
    metric = dataclasses.replace(recipe("first").metric, target="nas_exp.metrics.snip.snip", network="counts")
    with pytest.raises(InputError, match="snip takes modules or cells or live_cells"):
        list(compute([(dataclasses.replace(recipe("first"), key="snip", metric=metric), [9])], n_jobs=1))


def test_a_metric_has_the_name_and_documentation_of_its_function() -> None:
    assert snip.__name__ == "snip"  # type: ignore[attr-defined]
    assert snip.__doc__ is not None
    assert snip.__doc__.startswith("Return Σ")
    with pytest.raises(TypeError, match="factor"):
        first(cell_network((3,) * 6, 0), random_batch(0), factor=2.0)
