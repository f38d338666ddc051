"""What a report says about how well metrics rank: computed once for every dataset and metric of a sweep."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.statistics import (
    Interval,
    NoiseCeiling,
    RankingQuality,
    kendall_interval,
    noise_ceiling,
    ranking_quality,
    spearman_interval,
)
from nas_exp.space import SIZE, canonical_form, spec_of_index

FloatArray = npt.NDArray[np.float64]

TOP = 0.1
"""The share of the best-scored that the paper's Table VI looks at."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """How one metric ranks the space of one dataset: over the architectures that have a score and an accuracy."""

    score: FloatArray
    accuracy: FloatArray
    """Percent."""
    optimum: float
    """The best accuracy in the space, percent."""
    quality: RankingQuality
    rho: Interval
    rho_top: Interval
    tau: Interval
    tau_top: Interval


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known beside the searches themselves."""

    accuracy_name: str
    """`test` or, where the benchmark has no test accuracy, `validation`."""
    ranked: Mapping[tuple[str, str], Ranked]
    """By dataset and metric."""
    ceilings: Mapping[str, NoiseCeiling]
    """By dataset: how well separately trained twins rank each other."""
    absent: Mapping[tuple[str, str], str]
    """By dataset and metric: why scores or accuracies could not be read."""


def gather(sweep: Sweep, *, n_jobs: int) -> Evidence:
    """Correlate every metric of a sweep with trained accuracy, in `n_jobs` processes."""
    import joblib

    first: dict[tuple[str, str], FinishedJob] = {}
    for job in sweep.jobs:
        first.setdefault((job.dataset, job.metric), job)
    has_test = all(np.isfinite(sweep.benchmark(job).test_acc_200).any() for job in first.values())
    pairs, absent = dict[tuple[str, str], tuple[FloatArray, FloatArray]](), dict[tuple[str, str], str]()
    for key, job in first.items():
        try:
            scores = sweep.scores(job)
        except InputError as error:
            absent[key] = str(error)
            continue
        accuracy = accuracy_of(sweep, job, has_test=has_test)
        both = scores.known & np.isfinite(accuracy)
        if both.sum() > 1:
            pairs[key] = scores.score[both], accuracy[both]
        else:
            absent[key] = "no architectures with both a score and an accuracy"
    datasets = {job.dataset: accuracy_of(sweep, job, has_test=has_test) for job in first.values()}
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        ranked = parallel(joblib.delayed(rank)(*pair) for pair in pairs.values())
        ceilings = parallel(joblib.delayed(_ceiling)(accuracy) for accuracy in datasets.values())
    return Evidence(
        "test" if has_test else "validation",
        dict(zip(pairs, ranked, strict=True)),
        dict(zip(datasets, ceilings, strict=True)),
        absent,
    )


def accuracy_of(sweep: Sweep, job: FinishedJob, *, has_test: bool) -> FloatArray:
    """Return the 200-epoch accuracies that a report is about: shape (15625,), percent, NaN where unknown."""
    benchmark = sweep.benchmark(job)
    return benchmark.test_acc_200 if has_test else benchmark.val_acc_200


def rank(score: FloatArray, accuracy: FloatArray) -> Ranked:
    """Return how well scores rank accuracies, shape (n,) each, with intervals."""
    usable = np.where(np.isfinite(score), score, -np.inf)
    best = np.argsort(-usable, kind="stable")[: max(2, round(TOP * len(usable)))]
    return Ranked(
        score,
        accuracy,
        float(accuracy.max()),
        ranking_quality(score, accuracy, top=TOP),
        spearman_interval(score, accuracy),
        spearman_interval(score[best], accuracy[best]),
        kendall_interval(score, accuracy),
        kendall_interval(score[best], accuracy[best]),
    )


def _ceiling(accuracy: FloatArray) -> NoiseCeiling:
    known = np.isfinite(accuracy)
    return noise_ceiling(accuracy[known], function_classes()[known], top=TOP)


@functools.cache
def function_classes() -> npt.NDArray[np.int64]:
    """Number the functions that architectures compute, up to relabelling: shape (15625,), equal for twins."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(canonical_form(spec_of_index(arch)), len(numbers)) for arch in range(SIZE)])
