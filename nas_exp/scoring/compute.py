"""Computing scores: from recipes to rows of tables, in this process or in several.

This is the only place that brings networks, batches and metrics together. It imports torch when a score is computed
and not before, so that reading scores never waits for it.
"""

import functools
import inspect
import itertools
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.config.signatures import find, keywords
from nas_exp.config.types import Metric
from nas_exp.errors import InputError
from nas_exp.networks.devices import computing_on, computing_seconds, resolve
from nas_exp.scoring.recipe import Recipe
from nas_exp.scoring.table import Row
from nas_exp.spaces.space import Weights

if TYPE_CHECKING:
    from nas_exp.metrics import Batch

Wanted = Sequence[tuple[Recipe, Sequence[int]]]
"""Recipes, each with the architectures to score by it."""


def compute(wanted: Wanted, *, n_jobs: int) -> Iterator[list[list[Row]]]:
    """Score architectures and yield rows, a chunk at a time, as they are ready (in any order): a list for each recipe.

    Architectures whose networks a metric cannot tell apart are computed once, and each counts with that time. Metrics
    that name the same pass share it. Each counts with about the time that it would take alone: all of the pass that it
    needs, shared or not, and its own computation from that.

    Args:
        wanted: recipes, each with the architectures to score by it.
        n_jobs: processes; with 1, this one does the work; -1 means one a core.

    Raises:
        InputError: the device is not there, or a metric's parameters are wrong.
    """
    recipes = tuple(recipe for recipe, _ in wanted)
    by_network: dict[int, _Group] = {}
    for number, (recipe, archs) in enumerate(wanted):
        for first, group in recipe.space.by_network(archs, str(recipe.metric.network)).items():
            by_network.setdefault(first, {})[number] = group
    groups = list(by_network.items())
    if n_jobs == 1 or len(groups) == 1:
        for one in groups:
            yield _score_chunk(recipes, [one])
        return
    import joblib

    chunk = max(1, min(16, len(groups) // (4 * joblib.effective_n_jobs(n_jobs))))
    chunks = [groups[start : start + chunk] for start in range(0, len(groups), chunk)]
    # a mini-batch is copied to its process in a millisecond; in a temporary file, a full disk would be in its way
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", max_nbytes=None)
    yield from parallel(joblib.delayed(_score_in_own_process)(recipes, chunk) for chunk in chunks)


def evaluate(recipe: Recipe, arch_index: int) -> Any:
    """Return the result of a recipe's function for an architecture's network and the mini-batch.

    Raises:
        InputError: the device is not there, or the function's parameters are wrong.
    """
    from nas_exp.networks.settings import exact

    with exact(), computing_on(recipe.device):
        (prepared,) = _prepare((recipe,))
        network = _network(recipe, prepared, arch_index, str(recipe.metric.network))
        return prepared.function(network, prepared.batch, **prepared.arguments)


def sharing(recipe: Recipe, *, with_pass: bool = False) -> tuple[object, ...] | None:
    """Return a value that is equal for recipes that may share passes on a network; None for one that cannot.

    Args:
        recipe: the recipe.
        with_pass: whether the pass has to be the same, too.
    """
    from nas_exp.metrics.passes import PassMetric

    metric = recipe.metric
    function = _function(metric)
    if not isinstance(function, PassMetric):
        return None
    shared = getattr(recipe.batch, "digest", None), metric.dtype, metric.seed, metric.network == "modules"
    return (function.run, *shared) if with_pass else shared


_Group = dict[int, list[int]]
"""By the number of a recipe, the architectures that are one network to it."""


def _score_in_own_process(recipes: tuple[Recipe, ...], groups: Sequence[tuple[int, _Group]]) -> list[list[Row]]:
    from nas_exp.networks.settings import keep_freed_memory

    keep_freed_memory()
    return _score_chunk(recipes, groups)


def _score_chunk(recipes: tuple[Recipe, ...], groups: Sequence[tuple[int, _Group]]) -> list[list[Row]]:
    """Score the networks of a chunk, each given by the architecture to compute and those that are equal to it."""
    from nas_exp.networks.settings import exact

    rows: list[list[Row]] = [[] for _ in recipes]
    with exact(), computing_on(recipes[0].device):
        prepared = _prepare(recipes)
        for numbers, chunk in itertools.groupby(groups, key=lambda item: tuple(item[1])):
            networks = list(chunk)
            for number, place, score, seconds in _scores(recipes, prepared, numbers, [first for first, _ in networks]):
                # rounded as tables store it, so that a search costs the same whether it computes or reads
                took = float(np.float32(seconds))
                rows[number] += [Row(arch, score, took) for arch in networks[place][1][number]]
    return rows


def _scores(
    recipes: Sequence[Recipe], prepared: Sequence["_Prepared"], numbers: Sequence[int], archs: Sequence[int]
) -> Iterator[tuple[int, int, float, float]]:
    """Yield for the recipes of some numbers the number, the place of an architecture in `archs`, score and seconds."""
    by_pass: dict[object, list[int]] = {}
    for number in numbers:
        by_pass.setdefault(prepared[number].sharing or number, []).append(number)
    for together in by_pass.values():
        if len(together) == 1:
            yield from _alone(recipes[together[0]], prepared[together[0]], together[0], archs)
        else:
            yield from _together(recipes, prepared, together, archs)


def _alone(
    recipe: Recipe, prepared: "_Prepared", number: int, archs: Sequence[int]
) -> Iterator[tuple[int, int, float, float]]:
    device = str(prepared.batch.images.device)
    networks = (_network(recipe, prepared, arch, str(recipe.metric.network)) for arch in archs)
    results = each(prepared.function, networks, prepared.batch, **prepared.arguments)
    for place in range(len(archs)):
        start = computing_seconds(device)
        score = _number(next(results), recipe.metric)
        yield number, place, score, computing_seconds(device) - start


def _together(
    recipes: Sequence[Recipe], prepared: Sequence["_Prepared"], numbers: Sequence[int], archs: Sequence[int]
) -> Iterator[tuple[int, int, float, float]]:
    """Score by several recipes whose passes are run on one network, of the form that has what each of them needs."""
    from nas_exp.metrics.passes import run_passes

    first, recipe = prepared[numbers[0]], recipes[numbers[0]]
    device = str(first.batch.images.device)
    forms = [str(recipes[number].metric.network) for number in numbers]
    form = "cells" if "cells" in forms else forms[0]
    options: dict[Any, dict[str, bool]] = {}
    for number in numbers:
        options.setdefault(prepared[number].function.run, {}).update(prepared[number].function.options)
    for place, arch in enumerate(archs):
        start = computing_seconds(device)
        network = _network(recipe, first, arch, form)
        building = computing_seconds(device) - start
        found = run_passes(network, first.batch, options)
        for number in numbers:
            function, arguments = prepared[number].function, prepared[number].arguments
            result, seconds = found[function.run]
            start = computing_seconds(device)
            score = _number(function.of(result, **arguments), recipes[number].metric)
            yield number, place, score, building + seconds + computing_seconds(device) - start


def each(function: Callable[..., Any], networks: Iterable[Any], batch: "Batch", **arguments: Any) -> Iterator[Any]:
    """Apply a pass or a metric to several networks: one result a network, in order.

    This is the seam at which many networks can become one computation. Here they are computed one after the other.
    """
    return (function(network, batch, **arguments) for network in networks)


def _number(score: Any, metric: Metric) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        found = type(score).__name__
        raise InputError(f"{metric.key}._target_={metric.target}: expected a score, found {found}") from None


def _network(recipe: Recipe, prepared: "_Prepared", arch_index: int, form: str) -> Any:
    metric = recipe.metric
    assert metric.seed is not None
    weights = Weights(metric.seed, str(metric.dtype), str(prepared.batch.images.device))
    network = recipe.space.network(arch_index, form, recipe.dataset, weights)
    if prepared.forms and not isinstance(network, tuple(prepared.forms.values())):
        if form in prepared.forms:
            raise InputError(
                f"{metric.key}.network={form}: {metric.target} needs it; space={recipe.space.name} has none"
            )
        raise InputError(f"{metric.key}.network={form}: {metric.target} takes {' or '.join(prepared.forms)}")
    return network


@dataclass(frozen=True)
class _Prepared:
    """What all architectures share of a recipe."""

    function: Any
    forms: dict[str, type]
    """As `_forms` finds them."""
    arguments: dict[str, Any]
    batch: "Batch"
    """On the device; recipes with equal mini-batches have the same object."""
    sharing: tuple[object, ...] | None
    """As `sharing` finds it."""


# a search by several metrics goes from one to the next with every network
@functools.lru_cache(maxsize=8)
def _prepare(recipes: tuple[Recipe, ...]) -> list[_Prepared]:
    """Do once what all architectures share: find functions, and move their input to the device."""
    batches: dict[object, Batch] = {}
    prepared = []
    for recipe in recipes:
        metric = recipe.metric
        function = _function(metric)
        arguments = keywords(function, metric.arguments, metric.key)
        key = getattr(recipe.batch, "digest", None), metric.dtype
        if key not in batches:
            batches[key] = _batch(recipe)
        prepared.append(_Prepared(function, _forms(function), arguments, batches[key], sharing(recipe)))
    return prepared


def _function(metric: Metric) -> Callable[..., Any]:
    return find(metric.target, f"{metric.key}._target_", given=("network", "batch"))


def _forms(function: Callable[..., Any]) -> dict[str, type]:
    """Return the forms of a network that a metric's signature says it takes, by name; empty if it says none."""
    from torch import nn

    from nas_exp.networks.cells import CellNetwork
    from nas_exp.networks.counts import Counts
    from nas_exp.networks.interface import UntrainedNetwork

    forms = {"modules": nn.Module, "cells": CellNetwork, "live_cells": CellNetwork, "counts": Counts}
    first, *_ = inspect.signature(function, eval_str=True).parameters.values()
    options = typing.get_args(first.annotation) or (first.annotation,)
    taken = tuple(option for option in options if option in (UntrainedNetwork, *forms.values()))
    return {name: form for name, form in forms.items() if issubclass(form, taken)}


def _batch(recipe: Recipe) -> "Batch":
    import torch

    from nas_exp.metrics import Batch
    from nas_exp.networks.layers import memory_format

    if recipe.batch is None:
        size = recipe.dataset.image_size
        images, labels = torch.ones(1, 3, size, size), torch.zeros(1, dtype=torch.int64)
    else:
        images, labels = torch.tensor(recipe.batch.images), torch.tensor(recipe.batch.labels)
    device = resolve(recipe.device)
    images = images.to(device=device, dtype=getattr(torch, str(recipe.metric.dtype)))
    images = images.contiguous(memory_format=memory_format(images))
    return Batch(images, labels.to(device))
