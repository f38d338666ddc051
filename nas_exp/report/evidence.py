"""What a report says about a sweep: computed once, and shown in tables, figures and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas_exp.analysis.ceiling import NoiseCeiling, noise_ceiling
from nas_exp.analysis.comparisons import Comparison, Ranking, compare_pairs, ranks_over_datasets
from nas_exp.analysis.intervals import Interval, mean_interval
from nas_exp.analysis.ranking import (
    RankingQuality,
    kendall_interval,
    ranking_quality,
    spearman_interval,
)
from nas_exp.arrays import FloatArray, IntArray
from nas_exp.errors import InputError
from nas_exp.report.equal_cost import EqualCost, at_equal_cost
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.similarity import Similarity, similarities
from nas_exp.report.view import Search, found_accuracy, main_jobs, search_label

TOP = 0.1
"""The share of the best-scored that the paper's Table VI looks at."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """How one metric ranks the space of one dataset: over the architectures that have a score and an accuracy."""

    score: FloatArray
    """Shape (n,)."""
    accuracy: FloatArray
    """Shape (n,), percent."""
    optimum: float
    """The best accuracy in the space, percent."""
    quality: RankingQuality
    rho: Interval
    rho_top: Interval
    tau: Interval
    tau_top: Interval


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a report computes from a sweep, once."""

    ranked: Mapping[tuple[str, str], Ranked]
    """By dataset and metric."""
    ceilings: Mapping[str, NoiseCeiling]
    """By dataset: how well separately trained twins rank each other."""
    absent: Mapping[tuple[str, str], str]
    """By dataset and metric: why scores or accuracies could not be read."""
    means: Mapping[tuple[str, Search], Interval]
    """By dataset and search: the mean of what its runs found, percent; in the paper's order."""
    comparisons: Mapping[str, Sequence[Comparison]]
    """By dataset: all pairs of searches, by `search_label`."""
    ranking: Ranking | None
    """Searches over datasets, by what they found on average; None with fewer than 3 searches or 2 datasets."""
    equal_cost: Mapping[str, EqualCost]
    """By dataset: searches by what they cost."""
    similarities: Mapping[str, Sequence[Similarity]]
    """By dataset: what untrained networks make of a mini-batch, if the sweep has a metric of that."""
    without_similarities: Mapping[str, str]
    """By dataset: why there are none all the same."""


def gather(sweep: Sweep, *, images: str | None, device: str, n_jobs: int) -> Evidence:
    """Compute what a report says of a sweep.

    Args:
        sweep: the sweep.
        images: the folder of all datasets' images, for what is computed from them.
        device: where networks are computed.
        n_jobs: processes.
    """
    import joblib

    first: dict[tuple[str, str], FinishedJob] = {}
    for job in sweep.jobs:
        first.setdefault((job.dataset, job.metric), job)
    pairs, absent = dict[tuple[str, str], tuple[FloatArray, FloatArray]](), dict[tuple[str, str], str]()
    accuracies: dict[str, FloatArray] = {}
    twins: dict[str, tuple[FloatArray, IntArray]] = {}
    for key, job in first.items():
        try:
            scores, trained = sweep.scores(job), sweep.trained(job)
        except InputError as error:
            absent[key] = str(error)
            continue
        accuracies[job.dataset] = trained.score
        if (classes := job.config.space.twins(trained.arch_index)) is not None:
            twins[job.dataset] = trained.score, classes
        scores, trained = scores.of(trained.arch_index), trained.of(scores.arch_index)
        if len(scores.arch_index) > 1:
            pairs[key] = scores.score, trained.score
        else:
            absent[key] = "no architectures with both a score and an accuracy"
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        ranked = parallel(joblib.delayed(rank)(*pair) for pair in pairs.values())
        ceilings = parallel(joblib.delayed(noise_ceiling)(*each, top=TOP) for each in twins.values())
    found = {key: values for key, job in main_jobs(sweep).items() if (values := found_accuracy(sweep, job)) is not None}
    return Evidence(
        dict(zip(pairs, ranked, strict=True)),
        dict(zip(twins, ceilings, strict=True)),
        absent,
        {key: mean_interval(values) for key, values in found.items()},
        {dataset: _compare(dataset, found) for dataset in dict.fromkeys(dataset for dataset, _ in found)},
        _rank_searches(found),
        at_equal_cost(sweep, {dataset: float(accuracy.max()) for dataset, accuracy in accuracies.items()}),
        *similarities(sweep, root=images, device=device),
    )


def rank(score: FloatArray, accuracy: FloatArray) -> Ranked:
    """Return how well scores rank accuracies, shape (n,) each, with intervals."""
    return Ranked(
        score,
        accuracy,
        float(accuracy.max()),
        ranking_quality(score, accuracy, top=TOP),
        spearman_interval(score, accuracy),
        spearman_interval(score, accuracy, top=TOP),
        kendall_interval(score, accuracy),
        kendall_interval(score, accuracy, top=TOP),
    )


def _compare(dataset: str, found: Mapping[tuple[str, Search], FloatArray]) -> list[Comparison]:
    return compare_pairs({search_label(search): values for (of, search), values in found.items() if of == dataset})


def _rank_searches(found: Mapping[tuple[str, Search], FloatArray]) -> Ranking | None:
    datasets = list(dict.fromkeys(dataset for dataset, _ in found))
    searches = [
        search
        for search in dict.fromkeys(search for _, search in found)
        if all((dataset, search) in found for dataset in datasets)
    ]
    if len(searches) < 3 or len(datasets) < 2:
        return None
    means = np.array([[found[dataset, search].mean() for search in searches] for dataset in datasets])
    return ranks_over_datasets(means, [search_label(search) for search in searches])
