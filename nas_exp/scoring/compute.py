"""Computing scores: from a configured metric to numbers, in this process or in several.

This is the only place that brings networks, batches and metrics together. It imports torch when a score is computed
and not before, so that whoever only reads scores never waits for it.
"""

import ctypes
import functools
import inspect
import platform
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.config.check import Metric
from nas_exp.config.signatures import find, keywords
from nas_exp.datasets.images import MiniBatch
from nas_exp.errors import InputError
from nas_exp.networks.counts import Counts
from nas_exp.networks.devices import computing_seconds, resolve
from nas_exp.spaces.topology import spec_of_index

if TYPE_CHECKING:
    from nas_exp.metrics import Batch


@dataclass(frozen=True)
class Work:
    """All that a process needs to know to score architectures. Picklable."""

    metric: Metric
    network: dict[str, int]
    """The size: C, N, num_classes."""
    image_size: int
    images: MiniBatch | None
    """The mini-batch; None for metrics that see an image of ones."""
    device: str


@dataclass(frozen=True)
class Scored:
    """One result: the score of an architecture and the seconds that it took, as `computing_seconds` counts them."""

    arch_index: int
    score: float
    seconds: float


def compute(work: Work, arch_index: Sequence[int], *, n_jobs: int) -> Iterator[list[Scored]]:
    """Score architectures and yield results, a chunk at a time, as they are ready (in any order).

    Architectures that are one network to the metric are computed once, and each counts with that time.

    Args:
        work: the metric and what it sees.
        arch_index: what to score.
        n_jobs: processes; with 1, this one does the work; -1 means one a core.

    Raises:
        InputError: the device is not there, or the metric's parameters are wrong.
    """
    for (scored,) in compute_together([work], [arch_index], n_jobs=n_jobs):
        yield scored


def compute_together(
    works: Sequence[Work], arch_index: Sequence[Sequence[int]], *, n_jobs: int
) -> Iterator[list[list[Scored]]]:
    """Score architectures by several metrics and yield results, a chunk at a time, a list for each metric.

    Metrics that say from which pass they are computed share it. Each counts with about the time that it would have
    taken alone: all of the pass that it needs, whoever else needed it, and its own computation from that.

    Args:
        works: the metrics and what they see, as `compute` takes one.
        arch_index: for each metric, what to score by it.
        n_jobs: processes.

    Raises:
        InputError: the device is not there, or a metric's parameters are wrong.
    """
    by_network: dict[int, _Group] = {}
    for number, (work, archs) in enumerate(zip(works, arch_index, strict=True)):
        for first, group in equal_networks(work.metric, archs).items():
            by_network.setdefault(first, {})[number] = group
    groups = list(by_network.items())
    if n_jobs == 1 or len(groups) == 1:
        for one in groups:
            yield _score_groups(works, [one])
        return
    import joblib

    chunk = max(1, min(16, len(groups) // (4 * joblib.effective_n_jobs(n_jobs))))
    chunks = [groups[start : start + chunk] for start in range(0, len(groups), chunk)]
    # a mini-batch is copied to its process in a millisecond; in a temporary file, a full disk would be in its way
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", max_nbytes=None)
    yield from parallel(joblib.delayed(_score_groups)(works, chunk) for chunk in chunks)


_Group = dict[int, list[int]]
"""By the number of a work, the architectures that are one network to it."""


def equal_networks(metric: Metric, arch_index: Sequence[int]) -> dict[int, list[int]]:
    """Group architectures whose networks a metric cannot tell apart, by the one of them that is to be scored.

    It is the same one whatever else is asked for. Modules and blueprints have all parts, so there every architecture is
    its own.
    """
    if metric.network in ("modules", "blueprint"):
        return {int(arch): [int(arch)] for arch in arch_index}
    from nas_exp.spaces.cell_graph import first_equal

    first = first_equal(dead_relus=metric.dead_relus)
    groups: dict[int, list[int]] = {}
    for arch in arch_index:
        groups.setdefault(int(first[arch]), []).append(int(arch))
    return groups


def _score_groups(works: Sequence[Work], groups: Sequence[tuple[int, _Group]]) -> list[list[Scored]]:
    scored: list[list[Scored]] = [[] for _ in works]
    for first, group in groups:
        for number, score, seconds in _scores(works, list(group), first):
            # rounded as tables store it, so that a search costs the same whether it computes or reads
            scored[number] += [Scored(arch, score, float(np.float32(seconds))) for arch in group[number]]
    return scored


def _scores(works: Sequence[Work], wanted: Sequence[int], arch: int) -> Iterator[tuple[int, float, float]]:
    """Yield, for the works of some numbers, the number, the score of an architecture and the seconds that it took."""
    prepared = _prepare(_Works(works))
    sharing: dict[object, list[int]] = {}
    for number in wanted:
        sharing.setdefault(prepared[number].sharing or number, []).append(number)
    for numbers in sharing.values():
        device = str(prepared[numbers[0]].batch.images.device)
        start = computing_seconds(device)
        if len(numbers) == 1:
            (number,) = numbers
            score = _number(_evaluate(works[number], prepared[number], arch), works[number].metric)
            yield number, score, computing_seconds(device) - start
            continue
        from nas_exp.metrics.passes import run_passes

        metrics = [works[number].metric for number in numbers]
        dead_relus = any(metric.dead_relus for metric in metrics)
        network = _network(works[numbers[0]], prepared[numbers[0]], arch, dead_relus=dead_relus)
        building = computing_seconds(device) - start
        options: dict[Any, dict[str, bool]] = {}
        for number in numbers:
            options.setdefault(prepared[number].function.run, {}).update(prepared[number].function.options)
        found = run_passes(network, prepared[numbers[0]].batch, options)
        for number in numbers:
            function, arguments = prepared[number].function, prepared[number].arguments
            yielded, seconds = found[function.run]
            start = computing_seconds(device)
            score = _number(function.of(yielded, **arguments), works[number].metric)
            yield number, score, building + seconds + computing_seconds(device) - start


def _number(score: Any, metric: Metric) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        found = type(score).__name__
        raise InputError(f"{metric.key}._target_={metric.target}: expected a score, found {found}") from None


def evaluate(work: Work, arch: int) -> Any:
    """Return what the function of a work makes of an architecture's network and of the mini-batch.

    Raises:
        InputError: the device is not there, or the function's parameters are wrong.
    """
    (prepared,) = _prepare(_Works([work]))
    return _evaluate(work, prepared, arch)


def _evaluate(work: Work, prepared: "_Prepared", arch: int) -> Any:
    network = _network(work, prepared, arch, dead_relus=work.metric.dead_relus)
    return prepared.function(network, prepared.batch, **prepared.arguments)


def _network(work: Work, prepared: "_Prepared", arch: int, *, dead_relus: bool) -> Any:
    spec, seed, device = spec_of_index(arch), work.metric.seed, prepared.batch.images.device
    assert seed is not None
    if work.metric.network == "blueprint":
        return Counts(np.array(spec), **work.network)
    if work.metric.network != "modules":
        from nas_exp.networks.cells import CellNetwork, draw_weights

        weights = draw_weights(seed, **work.network, dtype=prepared.dtype, device=str(device))
        return CellNetwork(spec, weights, N=work.network["N"], dead_relus=dead_relus)
    from nas_exp.networks.modules import Network, initialise

    network = Network(spec, **work.network)
    initialise(network, seed)
    return network.to(device=device, dtype=prepared.dtype)


class _Works:
    """A hashable handle of works, for the cache below: equal only to a handle of the same objects."""

    def __init__(self, works: Sequence[Work]) -> None:
        self.works = tuple(works)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Works)
            and len(self.works) == len(other.works)
            and all(own is others for own, others in zip(self.works, other.works, strict=True))
        )

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.works)))


@dataclass(frozen=True)
class _Prepared:
    """What all architectures of a chunk share of a work."""

    function: Any
    arguments: dict[str, Any]
    batch: "Batch"
    """On the device; works with equal mini-batches have the same object."""
    dtype: Any
    sharing: tuple[object, ...] | None
    """As `sharing` finds it."""


# a search by several metrics goes from one to the next with every network
@functools.lru_cache(maxsize=8)
def _prepare(handle: _Works) -> list[_Prepared]:
    """Do once what all architectures of a chunk share: functions, their input on the device, the thread count."""
    import torch

    # One thread a process: parallelism is over architectures, and a score must not depend on the number of cores.
    torch.set_num_threads(1)
    # A GPU would round the inputs of convolutions to 10 bits, and differ from one time to the next.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    _keep_freed_memory()
    batches: dict[object, Batch] = {}
    prepared = []
    for work in handle.works:
        metric = work.metric
        function = find(metric.target, f"{metric.key}._target_", given=("network", "batch"))
        _check_form(function, metric)
        arguments = keywords(function, metric.arguments, metric.key)
        key = getattr(work.images, "digest", None), metric.dtype
        if key not in batches:
            batches[key] = _batch(work)
        dtype = getattr(torch, str(metric.dtype))
        prepared.append(_Prepared(function, arguments, batches[key], dtype, sharing(work)))
    return prepared


def _check_form(function: Callable[..., Any], metric: Metric) -> None:
    """Check that a metric's function takes the form of the network that its configuration gives it, as far as it says.

    Raises:
        InputError: it does not.
    """
    from torch import nn

    from nas_exp.networks.cells import CellNetwork
    from nas_exp.networks.interface import UntrainedNetwork
    from nas_exp.networks.modules import Network

    forms = {"modules": Network, "cells": CellNetwork, "live_cells": CellNetwork, "blueprint": Counts}
    first, *_ = inspect.signature(function, eval_str=True).parameters.values()
    options = typing.get_args(first.annotation) or (first.annotation,)
    taken = tuple(option for option in options if option in (nn.Module, UntrainedNetwork, *forms.values()))
    if taken and not issubclass(forms[str(metric.network)], taken):
        expected = " or ".join(name for name, form in forms.items() if issubclass(form, taken))
        raise InputError(f"{metric.key}.network={metric.network}: {metric.target} takes {expected}")


def sharing(work: Work, *, with_pass: bool = False) -> tuple[object, ...] | None:
    """Return what is equal for works that may share passes on a network; None for one that runs its own.

    Args:
        work: the work.
        with_pass: whether the pass has to be the same, too.
    """
    from nas_exp.metrics.passes import PassMetric

    metric = work.metric
    function = find(metric.target, f"{metric.key}._target_", given=("network", "batch"))
    if not isinstance(function, PassMetric):
        return None
    shared = getattr(work.images, "digest", None), metric.dtype, metric.seed, metric.network == "modules"
    return (function.run, *shared) if with_pass else shared


def _batch(work: Work) -> "Batch":
    import torch

    from nas_exp.metrics import Batch
    from nas_exp.networks.layers import memory_format

    if work.images is None:
        images = torch.ones(1, 3, work.image_size, work.image_size)
        labels = torch.zeros(1, dtype=torch.int64)
    else:
        images, labels = torch.tensor(work.images.images), torch.tensor(work.images.labels)
    device = resolve(work.device)
    images = images.to(device=device, dtype=getattr(torch, str(work.metric.dtype)))
    images = images.contiguous(memory_format=memory_format(images))
    return Batch(images, labels.to(device))


def _keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors instead of giving it back and asking for it again.

    Every layer allocates tensors of the same few sizes; fresh pages for each cost a fifth of the time. Only glibc has
    this switch.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_threshold = -1, -3
        for parameter in (m_trim_threshold, m_mmap_threshold):
            libc.mallopt(parameter, 1 << 30)
