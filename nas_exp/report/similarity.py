"""The matrices behind the ReLU score: how similar the images of a mini-batch are to untrained networks."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.arrays import FloatArray
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.report.sweep import FinishedJob, FinishedSweep
from nas_exp.scoring.compute import evaluate
from nas_exp.scoring.recipe import Recipe
from nas_exp.scoring.source import table_of
from nas_exp.scoring.table import Scores

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

    recipe = _recipe(job.config, root=root, device=device)
    assert recipe.batch is not None
    order = np.argsort(recipe.batch.labels, kind="stable")
    for arch, accuracy in _spread(sweep.trained(job)):
        kernel = evaluate(recipe, arch)
        share = (kernel / kernel.diagonal().max()).cpu().numpy()
        yield Similarity(arch, accuracy, share[np.ix_(order, order)], log_determinant(kernel))


def _recipe(config: Config, *, root: str | None, device: str) -> Recipe:
    root = root or config.dataset.root
    if root is None:
        raise InputError("dataset.root=null: similarity matrices need images; expected the folder that holds them")
    table = table_of(
        dataclasses.replace(
            config,
            dataset=dataclasses.replace(config.dataset, root=root),
            metric=dataclasses.replace(config.metric, target="nas_exp.metrics.hamming_kernel.similarity", arguments={}),
            device=device,
        )
    )
    assert table.recipe is not None
    return table.recipe


def _spread(trained: Scores) -> list[tuple[int, float]]:
    """Return the architectures at `QUANTILES` of the known accuracies, with their accuracies."""
    by_accuracy = np.argsort(trained.score, kind="stable")
    places = [by_accuracy[round(share * (len(by_accuracy) - 1))] for share in QUANTILES]
    return [(int(trained.arch_index[place]), float(trained.score[place])) for place in places]
