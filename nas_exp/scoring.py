"""Computing scores: from a configured metric to numbers, in this process or in several.

This is the only place that brings networks, batches and metrics together. It imports torch when a score is computed
and not before, so that whoever only reads scores never waits for it.
"""

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.arguments import find, keywords
from nas_exp.config import Config, Metric
from nas_exp.errors import InputError
from nas_exp.images import Batch as ImageBatch
from nas_exp.images import load_images, mini_batch
from nas_exp.scores import ScoreTable, shipped_identity
from nas_exp.space import spec_of_index

if TYPE_CHECKING:
    from nas_exp.metrics import Batch


@dataclass(frozen=True)
class Work:
    """All that a process needs to know to score architectures. Picklable."""

    metric: Metric
    network: dict[str, int]
    """The size: C, N, num_classes."""
    image_size: int
    images: ImageBatch | None
    """The mini-batch; None for metrics that see an image of ones."""
    device: str


@dataclass(frozen=True)
class Scored:
    """One result: the score of an architecture and the seconds that it took."""

    arch_index: int
    score: float
    seconds: float


def table_and_work(config: Config) -> tuple[ScoreTable, Work | None]:
    """Return the score table that a configuration means, and how to compute what it lacks.

    The work is None when the metric needs images and none are at hand: then the table is the shipped one, if any.

    Raises:
        InputError: the images cannot be read, or there are none and no shipped table to do without them.
    """
    metric, dataset = config.metric, config.dataset
    identity: dict[str, Any] = {
        "space": "topology",
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "num_classes": dataset.num_classes,
        "network": dataclasses.asdict(config.network),
        "metric": metric.name,
        "function": metric.target,
        "arguments": metric.arguments,
        "input": metric.input,
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


def read_mini_batch(config: Config) -> ImageBatch:
    """Read the mini-batch that a configuration with `dataset.root` and an image metric means."""
    dataset, metric = config.dataset, config.metric
    assert dataset.root is not None
    assert metric.batch_size is not None
    assert metric.seed is not None
    images = load_images(
        Path(dataset.root), name=dataset.name, num_classes=dataset.num_classes, image_size=dataset.image_size
    )
    return mini_batch(images, size=metric.batch_size, seed=metric.seed, mean=dataset.mean, std=dataset.std)


def compute(work: Work, arch_index: Sequence[int], *, n_jobs: int) -> Iterator[list[Scored]]:
    """Score architectures and yield results, a chunk at a time, as they are ready (in any order).

    Args:
        work: the metric and what it sees.
        arch_index: what to score.
        n_jobs: processes; with 1, this one does the work; -1 means one a core.

    Raises:
        InputError: the device is not there, or the metric's parameters are wrong.
    """
    if n_jobs == 1 or len(arch_index) == 1:
        for arch in arch_index:
            yield [_score(work, arch)]
        return
    import joblib

    chunk = max(1, min(16, len(arch_index) // (4 * joblib.effective_n_jobs(n_jobs))))
    chunks = [arch_index[start : start + chunk] for start in range(0, len(arch_index), chunk)]
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs")
    yield from parallel(joblib.delayed(_score_chunk)(work, chunk) for chunk in chunks)


def _score_chunk(work: Work, arch_index: Sequence[int]) -> list[Scored]:
    return [_score(work, arch) for arch in arch_index]


def _score(work: Work, arch: int) -> Scored:
    from nas_exp.network import Network, initialise

    start = time.perf_counter()
    metric, arguments, batch, dtype = _prepare(_Identity(work))
    network = Network(spec_of_index(arch), **work.network)
    assert work.metric.seed is not None
    initialise(network, work.metric.seed)
    score = float(metric(network.to(device=work.device, dtype=dtype), batch, **arguments))
    # rounded as tables store it, so that a search costs the same whether it computes or reads
    return Scored(int(arch), score, float(np.float32(time.perf_counter() - start)))


class _Identity:
    """A hashable handle of a work, for the cache below: equal only to a handle of the same object."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.work is other.work

    def __hash__(self) -> int:
        return id(self.work)


@functools.lru_cache(maxsize=1)
def _prepare(handle: _Identity) -> tuple[Any, dict[str, Any], "Batch", Any]:
    """Do once what all architectures of a chunk share: the function, its input on the device, the thread count."""
    import torch

    from nas_exp.metrics import Batch

    work = handle.work
    if work.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device={work.device}: torch finds no CUDA device here; expected cpu")
    # One thread a process: parallelism is over architectures, and a score must not depend on the number of cores.
    torch.set_num_threads(1)
    function = find(work.metric.target, "metric._target_")
    arguments = keywords(function, work.metric.arguments, "metric")
    dtype = getattr(torch, str(work.metric.dtype))
    if work.images is None:
        images = torch.ones(1, 3, work.image_size, work.image_size)
        labels = torch.zeros(1, dtype=torch.int64)
    else:
        images, labels = torch.from_numpy(work.images.images), torch.from_numpy(work.images.labels)
    batch = Batch(images.to(device=work.device, dtype=dtype), labels.to(work.device))
    return function, arguments, batch, dtype
