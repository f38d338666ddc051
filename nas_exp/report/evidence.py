"""What a report computes from a sweep of searches, once, for its tables, figures and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.analysis.comparisons import Comparison, Ranking, compare_pairs, ranks_over_datasets
from nas_exp.analysis.intervals import Interval, mean_interval
from nas_exp.analysis.ranking import RankingQuality, best_scored, kendall_interval, ranking_quality, spearman_interval
from nas_exp.arrays import FloatArray
from nas_exp.errors import InputError
from nas_exp.report.ceilings import cached_ceiling
from nas_exp.report.equal_cost import EqualCost, at_equal_cost
from nas_exp.report.similarity import Similarity, similarities
from nas_exp.report.sweep import FinishedJob, FinishedSweep, Search
from nas_exp.scoring.table import Scores
from nas_exp.storage.processes import parallel

TOP = 0.1
"""The share of the best-scored that is looked at on its own."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a report computes from a sweep, once."""

    ranked: Mapping[tuple[str, str], RankingQuality]
    """By dataset and metric."""
    scored: Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]
    """Likewise: the scores and the accuracies (percent) of the architectures that have both, shape (n,) each."""
    ceilings: Mapping[str, NoiseCeiling]
    """By dataset: how well separately trained twins rank each other; empty if the space has no twins."""
    absent: Mapping[tuple[str, str], str]
    """By dataset and metric: why scores or accuracies could not be read."""
    means: Mapping[tuple[str, Search], Interval]
    """By dataset and search: the mean of what its runs found, percent; in the sweep's order."""
    comparisons: Mapping[str, Sequence[Comparison]]
    """By dataset: all pairs of searches, by their labels."""
    ranking: Ranking | None
    """Searches over datasets, by what they found on average; None with fewer than 3 searches or 2 datasets."""
    equal_cost: Mapping[str, EqualCost]
    """By dataset: searches by what they cost."""
    similarities: Mapping[str, Sequence[Similarity]]
    """By dataset: the similarity of the images of a mini-batch to untrained networks, if a metric is made of that."""
    without_similarities: Mapping[str, str]
    """By dataset: why they could not be computed."""


def gather(sweep: FinishedSweep, *, store: Path, images: str | None, device: str, n_jobs: int) -> Evidence:
    """Compute what a report says of a sweep.

    Args:
        sweep: of searches.
        store: the folder of cached noise ceilings.
        images: the folder of all datasets' images, for what is computed from them.
        device: where networks are computed.
        n_jobs: processes.
    """
    import joblib

    first: dict[tuple[str, str], FinishedJob] = {}
    for job in sweep.jobs:
        first.setdefault((job.dataset, job.metric), job)
    scored, absent = dict[tuple[str, str], tuple[FloatArray, FloatArray]](), dict[tuple[str, str], str]()
    accuracies: dict[str, Scores] = {}
    for key, job in first.items():
        try:
            scores, trained = sweep.scores(job), sweep.trained(job)
        except InputError as error:
            absent[key] = str(error)
            continue
        if not len(trained.arch_index):
            absent[key] = f"the benchmark has no {sweep.accuracy_name} accuracies"
            continue
        accuracies[job.dataset] = trained
        scores, trained = scores.of(trained.arch_index), trained.of(scores.arch_index)
        if len(scores.arch_index) > 1:
            scored[key] = scores.score, trained.score
        else:
            absent[key] = "no architectures with both a score and an accuracy"
    twins = {dataset: sweep.space.twins(trained.arch_index) for dataset, trained in accuracies.items()}
    with parallel(n_jobs) as workers:
        ranked = workers(joblib.delayed(rank)(*pair) for pair in scored.values())
        ceilings = workers(
            joblib.delayed(cached_ceiling)(store, accuracies[dataset].score, classes, top=TOP)
            for dataset, classes in twins.items()
            if classes is not None
        )
    found = {key: values for key, job in sweep.main_jobs.items() if (values := sweep.found_accuracy(job)) is not None}
    by_dataset: dict[str, dict[str, FloatArray]] = {}
    for (dataset, search), values in found.items():
        by_dataset.setdefault(dataset, {})[sweep.search_label(search)] = values
    return Evidence(
        dict(zip(scored, ranked, strict=True)),
        scored,
        dict(zip([dataset for dataset, classes in twins.items() if classes is not None], ceilings, strict=True)),
        absent,
        {key: mean_interval(values) for key, values in found.items()},
        {dataset: compare_pairs(values) for dataset, values in by_dataset.items()},
        _rank_searches(by_dataset),
        at_equal_cost(sweep, {dataset: float(trained.score.max()) for dataset, trained in accuracies.items()}),
        *similarities(sweep, root=images, device=device),
    )


def rank(score: FloatArray, accuracy: FloatArray) -> RankingQuality:
    """Return how well scores rank accuracies, shape (n,) each, with the intervals of correlations."""
    return replace(
        ranking_quality(score, accuracy, top=TOP),
        rho=spearman_interval(score, accuracy),
        tau=kendall_interval(score, accuracy),
        rho_top=spearman_interval(score, accuracy, top=TOP),
        tau_top=kendall_interval(score, accuracy, top=TOP),
    )


def why_unranked(score: FloatArray, accuracy: FloatArray, *, top: float = 1.0) -> str:
    """Return in counts why scores have no rank correlation with accuracies, shape (n,) each, or not among the best."""
    best = best_scored(score, top)
    finite, values, accuracies = np.isfinite(score[best]), np.unique(score[best]), np.unique(accuracy[best])
    return (
        f"not known: {finite.sum():,} of {len(best):,} architectures have a finite score; they have {len(values):,} "
        f"different scores and {len(accuracies):,} different accuracies"
    )


def _rank_searches(found: Mapping[str, Mapping[str, FloatArray]]) -> Ranking | None:
    """Rank the searches that every dataset has by what their runs found on average."""
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    names = [name for name in names if all(name in values for values in found.values())]
    if len(names) < 3 or len(found) < 2:
        return None
    means = np.array([[values[name].mean() for name in names] for values in found.values()])
    return ranks_over_datasets(means, names)
