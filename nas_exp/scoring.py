"""Computing scores: from a configured metric to numbers, in this process or in several.

This is the only place that brings networks, batches and metrics together. It imports torch when a score is computed
and not before, so that whoever only reads scores never waits for it.
"""

import ctypes
import dataclasses
import functools
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.arguments import find, keywords
from nas_exp.blueprint import Blueprint
from nas_exp.config import Config, Metric
from nas_exp.devices import resolve
from nas_exp.errors import InputError
from nas_exp.images import MiniBatch, load_images, mini_batch
from nas_exp.score_table import ScoreTable, shipped_identity
from nas_exp.space import TopologySpace, spec_of_index

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
    """One result: the score of an architecture and the seconds that it took."""

    arch_index: int
    score: float
    seconds: float


def plan(config: Config) -> tuple[ScoreTable, Work | None]:
    """Return the score table that a configuration means, and how to compute what it lacks.

    The work is None when the metric needs images and none are at hand: then the table is the shipped one, if any.

    Raises:
        InputError: the metric is not computed at all, the images cannot be read, or there are none and no shipped table
            to do without them.
    """
    metric, dataset = config.metric, config.dataset
    if metric.input == "benchmark":
        raise InputError(f"metric={metric.name}: comes from the benchmark; there is nothing to compute")
    identity: dict[str, Any] = {
        "space": TopologySpace.name,
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "num_classes": dataset.num_classes,
        "network": dataclasses.asdict(config.network),
        "metric": metric.name if metric.same_as is None else metric.same_as.rpartition(".")[2],
        "function": metric.same_as or metric.target,
        "arguments": metric.arguments,
        "input": metric.input,
        "computed_on": metric.network,
        "dtype": metric.dtype,
        "seed": metric.seed,
        "version": metric.version,
    }
    images = None
    if metric.input == "images":
        identity |= {"batch_size": metric.batch_size, "mean": list(dataset.mean), "std": list(dataset.std)}
        if dataset.root is None:
            shipped = shipped_identity(identity)
            if shipped is None:
                raise InputError(
                    f"dataset.root=null: metric={metric.name} needs images of {dataset.name} and no shipped table has "
                    "these parameters; expected the folder that holds the images"
                )
            return ScoreTable(config.scores, shipped), None
        images = read_mini_batch(config)
        identity["images"] = images.digest
    size = {**dataclasses.asdict(config.network), "num_classes": dataset.num_classes}
    return ScoreTable(config.scores, identity), Work(metric, size, dataset.image_size, images, config.device)


def read_mini_batch(config: Config) -> MiniBatch:
    """Read the mini-batch that a configuration with `dataset.root` and an image metric means."""
    dataset, metric = config.dataset, config.metric
    assert dataset.root is not None
    assert metric.batch_size is not None
    assert metric.seed is not None
    images = load_images(
        Path(dataset.root), name=dataset.name, num_classes=dataset.num_classes, image_size=dataset.image_size
    )
    return mini_batch(images, size=metric.batch_size, seed=metric.seed, mean=dataset.mean, std=dataset.std)


def forecast(table: ScoreTable, work: Work, arch_index: Sequence[int], *, n_jobs: int) -> tuple[int, float | None]:
    """Return how many networks have to be computed for some architectures, and how many seconds that should take.

    The seconds are those of like networks, computed before or shipped; None where there are none.
    """
    import joblib

    groups = equal_networks(work.metric, arch_index)
    seconds = table.expected_seconds()
    found = seconds[list(groups)]
    if np.isnan(found).all():
        found = seconds
    if np.isnan(found).all():
        return len(groups), None
    return len(groups), float(np.nanmean(found)) * len(groups) / min(joblib.effective_n_jobs(n_jobs), len(groups))


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
    groups = list(equal_networks(work.metric, arch_index).items())
    if n_jobs == 1 or len(groups) == 1:
        for group in groups:
            yield _score_groups(work, [group])
        return
    import joblib

    chunk = max(1, min(16, len(groups) // (4 * joblib.effective_n_jobs(n_jobs))))
    chunks = [groups[start : start + chunk] for start in range(0, len(groups), chunk)]
    # a mini-batch is copied to its process in a millisecond; in a temporary file, a full disk would be in its way
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", max_nbytes=None)
    yield from parallel(joblib.delayed(_score_groups)(work, chunk) for chunk in chunks)


def equal_networks(metric: Metric, arch_index: Sequence[int]) -> dict[int, list[int]]:
    """Group architectures whose networks a metric cannot tell apart, by the one of them that is to be scored.

    It is the same one whatever else is asked for. Modules and blueprints have all parts, so there every architecture is
    its own.
    """
    if metric.network in ("modules", "blueprint"):
        return {int(arch): [int(arch)] for arch in arch_index}
    from nas_exp.cells import first_equal

    first = first_equal(dead_relus=metric.dead_relus)
    groups: dict[int, list[int]] = {}
    for arch in arch_index:
        groups.setdefault(int(first[arch]), []).append(int(arch))
    return groups


def _score_groups(work: Work, groups: Sequence[tuple[int, Sequence[int]]]) -> list[Scored]:
    scored = []
    for first, group in groups:
        start = time.perf_counter()
        score = _number(evaluate(work, first), work.metric)
        # rounded as tables store it, so that a search costs the same whether it computes or reads
        seconds = float(np.float32(time.perf_counter() - start))
        scored += [Scored(arch, score, seconds) for arch in group]
    return scored


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
    function, arguments, batch, dtype = _prepare(_WorkKey(work))
    spec, seed = spec_of_index(arch), work.metric.seed
    assert seed is not None
    if work.metric.network == "blueprint":
        return function(Blueprint(np.array(spec), **work.network), batch, **arguments)
    if work.metric.network != "modules":
        from nas_exp.cells import CellNetwork, draw_weights

        weights = draw_weights(seed, **work.network, dtype=dtype, device=str(batch.images.device))
        cells = CellNetwork(spec, weights, N=work.network["N"], dead_relus=work.metric.dead_relus)
        return function(cells, batch, **arguments)
    from nas_exp.network import Network, initialise

    network = Network(spec, **work.network)
    initialise(network, seed)
    return function(network.to(device=batch.images.device, dtype=dtype), batch, **arguments)


class _WorkKey:
    """A hashable handle of a work, for the cache below: equal only to a handle of the same object."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _WorkKey) and self.work is other.work

    def __hash__(self) -> int:
        return id(self.work)


@functools.lru_cache(maxsize=1)
def _prepare(handle: _WorkKey) -> tuple[Any, dict[str, Any], "Batch", Any]:
    """Do once what all architectures of a chunk share: the function, its input on the device, the thread count."""
    import torch

    from nas_exp.layers import memory_format
    from nas_exp.metrics import Batch

    work = handle.work
    device = resolve(work.device)
    # One thread a process: parallelism is over architectures, and a score must not depend on the number of cores.
    torch.set_num_threads(1)
    _keep_freed_memory()
    function = find(work.metric.target, f"{work.metric.key}._target_", given=("network", "batch"))
    arguments = keywords(function, work.metric.arguments, work.metric.key)
    dtype = getattr(torch, str(work.metric.dtype))
    if work.images is None:
        images = torch.ones(1, 3, work.image_size, work.image_size)
        labels = torch.zeros(1, dtype=torch.int64)
    else:
        images, labels = torch.tensor(work.images.images), torch.tensor(work.images.labels)
    images = images.to(device=device, dtype=dtype)
    images = images.contiguous(memory_format=memory_format(images))
    return function, arguments, Batch(images, labels.to(device)), dtype


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
