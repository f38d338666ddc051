"""The matrices behind the ReLU score: how similar the images of a mini-batch are to untrained networks."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.config.check import Config
from nas_exp.errors import InputError
from nas_exp.report.sweep import FinishedJob, FinishedSweep
from nas_exp.scoring.compute import Work, evaluate
from nas_exp.scoring.plan import plan

QUANTILES = (0.05, 0.5, 0.9, 1.0)
"""Which architectures are shown: those with this share of the space's accuracies below or at theirs."""

_FROM_CODES = ("nas_exp.metrics.relu.relu", "nas_exp.metrics.naswot.naswot")


@dataclass(frozen=True, eq=False)
class Similarity:
    """How similar the images of a mini-batch are to one untrained network."""

    arch_index: int
    accuracy: float
    """Fully trained, percent."""
    kernel: FloatArray
    """K_H / N_A, the share of ReLU units on which two images agree: shape (B, B), images sorted by class."""
    score: float
    """log|K_H|, the `relu` score."""


def similarities(
    sweep: FinishedSweep, *, root: str | None, device: str
) -> tuple[Mapping[str, Sequence[Similarity]], Mapping[str, str]]:
    """Compute K_H of a few architectures, from bad to best, on every dataset that a metric made of K_H was used on.

    Args:
        sweep: the sweep.
        root: the folder of all datasets' images; without it, the folder that a job used.
        device: where networks are computed.

    Returns:
        The similarities by dataset, and by dataset why there are none.
    """
    found, absent = dict[str, Sequence[Similarity]](), dict[str, str]()
    for dataset in sweep.datasets:
        jobs = [job for job in sweep.jobs if job.dataset == dataset and job.config.metric.target in _FROM_CODES]
        if not jobs:
            continue
        try:
            found[dataset] = list(_of_job(sweep, jobs[0], root=root, device=device))
        except InputError as error:
            absent[dataset] = str(error)
    return found, absent


def _of_job(sweep: FinishedSweep, job: FinishedJob, *, root: str | None, device: str) -> Iterator[Similarity]:
    from nas_exp.metrics.hamming_kernel import log_determinant

    work = _work(job.config, root=root, device=device)
    assert work.images is not None
    order = np.argsort(work.images.labels, kind="stable")
    accuracy = sweep.trained(job)
    for arch in _spread(accuracy):
        kernel = evaluate(work, arch)
        share = (kernel / kernel.diagonal().max()).cpu().numpy()
        yield Similarity(arch, float(accuracy[arch]), share[np.ix_(order, order)], log_determinant(kernel))


def _work(config: Config, *, root: str | None, device: str) -> Work:
    root = root or config.dataset.root
    if root is None:
        raise InputError("dataset.root=null: similarity matrices need images; expected the folder that holds them")
    _, work = plan(
        dataclasses.replace(
            config,
            dataset=dataclasses.replace(config.dataset, root=root),
            metric=dataclasses.replace(config.metric, target="nas_exp.metrics.hamming_kernel.similarity", arguments={}),
            device=device,
        )
    )
    assert work is not None
    return work


def _spread(accuracy: FloatArray) -> list[int]:
    """Return the architectures at `QUANTILES` of the known accuracies."""
    known = np.flatnonzero(np.isfinite(accuracy))
    by_accuracy = known[np.argsort(accuracy[known], kind="stable")]
    return [int(by_accuracy[round(share * (len(known) - 1))]) for share in QUANTILES]
