"""The paper's four questions, answered from a sweep: every sentence with its figure, its test and its interval."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nas_exp.report import paper
from nas_exp.report.evidence import Evidence
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.statistics import Comparison, Interval, compare_pairs, mean_interval
from nas_exp.report.tables import (
    accuracy_label,
    datasets_of,
    found_accuracy,
    label,
    main_jobs,
    method_ranking,
    metrics_of,
)

TRAINED = "val_acc"
"""The metric that trains every network."""


@dataclass(frozen=True, eq=False)
class _Facts:
    sweep: Sweep
    evidence: Evidence
    jobs: Mapping[tuple[str, str, str], FinishedJob]
    """By dataset, metric and algorithm."""
    comparisons: Mapping[tuple[str, str, str], Comparison]
    """By dataset and the two searches, in both orders."""

    def mean(self, *key: str) -> Interval | None:
        values = found_accuracy(self.jobs[key]) if key in self.jobs else None  # type: ignore[index]
        return None if values is None else mean_interval(values)


def findings(sweep: Sweep, evidence: Evidence) -> str:
    """Return the findings as Markdown: one section for each of the paper's questions, and one on where we differ."""
    facts = _Facts(sweep, evidence, {(j.dataset, j.metric, j.algo): j for j in main_jobs(sweep)}, _compare(sweep))
    sections = (
        ("What are the limitations of a standard NAS pipeline?", _limitations(facts)),
        ("Do training-free searches find networks as good as searches that train every network?", _comparable(facts)),
        ("Is there a metric that is better than the others on all datasets?", _metrics(facts)),
        (
            "Is there a combination of metric and algorithm that is better than the others on all datasets?",
            _pairs(facts),
        ),
        ("Where our numbers differ from the paper's, and why", _differences(facts)),
    )
    told = [(title, list(sentences)) for title, sentences in sections]
    runs = ", ".join(dict.fromkeys(str(job.config.runs) for job in sweep.jobs))
    head = (
        f"# Findings\n\nWritten by `python run.py task=report sweep={sweep.folder} task.findings=FILE` from the "
        f"results of `{sweep.command or sweep.folder}`: {len(sweep.jobs)} jobs of {runs} runs. Accuracies are "
        f"{evidence.accuracy_name} accuracies after 200 epochs, in percent; brackets hold bootstrap 95 % intervals; "
        "comparisons are paired by run (Wilcoxon's signed-rank test, p by Holm's method over all pairs of a dataset; P "
        "is the probability of superiority, ties counting half).\n"
    )
    return head + "".join(
        f"\n## {title}\n\n" + "".join(f"- {sentence}\n" for sentence in sentences)
        for title, sentences in told
        if sentences
    )


def _compare(sweep: Sweep) -> dict[tuple[str, str, str], Comparison]:
    found: dict[tuple[str, str, str], Comparison] = {}
    for dataset in datasets_of(sweep):
        results = {
            f"{job.metric}+{job.algo}": values
            for job in main_jobs(sweep)
            if job.dataset == dataset and (values := found_accuracy(job)) is not None
        }
        if len(results) < 2 or len({len(values) for values in results.values()}) > 1:
            continue
        for one in compare_pairs(results):
            found[dataset, one.a, one.b] = one
    return found


def _limitations(facts: _Facts) -> Iterator[str]:
    for dataset in datasets_of(facts.sweep):
        job, ranked = facts.jobs.get((dataset, TRAINED, "rs")), facts.evidence.ranked.get((dataset, TRAINED))
        mean = facts.mean(dataset, TRAINED, "rs")
        if job is None or ranked is None or mean is None:
            continue
        hours = float(np.mean(job.runs["seconds"])) / 3600
        yield (
            f"{label(dataset)}: random search on 12-epoch validation accuracy costs {hours:,.0f} hours of training and "
            f"finds {_text(mean)}, {ranked.optimum - mean.value:.2f} points below the best network of the space "
            f"({ranked.optimum:.2f}). 12 epochs rank the space with ρ = {_text(ranked.rho)}, and its best tenth with "
            f"{_text(ranked.rho_top)}."
        )
        if (versus := _versus(facts, dataset, (TRAINED, "rea"), (TRAINED, "rs"))) is not None:
            yield f"{label(dataset)}: evolution instead of random search makes {versus}."


def _comparable(facts: _Facts) -> Iterator[str]:
    for dataset in datasets_of(facts.sweep):
        free = [key for key in facts.jobs if key[0] == dataset and key[1] != TRAINED and facts.mean(*key) is not None]
        trained = [
            key for key in facts.jobs if key[0] == dataset and key[1] == TRAINED and facts.mean(*key) is not None
        ]
        if not free or not trained:
            continue
        best = max(free, key=lambda key: facts.mean(*key).value)  # type: ignore[union-attr]
        rival = max(trained, key=lambda key: facts.mean(*key).value)  # type: ignore[union-attr]
        ours, theirs = facts.mean(*best), facts.mean(*rival)
        versus = _versus(facts, dataset, rival[1:], best[1:])
        assert ours is not None
        assert theirs is not None
        cheaper = np.mean(facts.jobs[rival].runs["seconds"]) / np.mean(facts.jobs[best].runs["seconds"])
        yield (
            f"{label(dataset)}: the best training-free search, {_pair(best)}, finds {_text(ours)}; {_pair(rival)} "
            f"finds {_text(theirs)} at {cheaper:,.0f} times the cost" + (f" ({versus})." if versus is not None else ".")
        )


def _metrics(facts: _Facts) -> Iterator[str]:
    leaders = []
    for dataset in datasets_of(facts.sweep):
        free = [
            metric
            for metric in metrics_of(facts.sweep)
            if metric != TRAINED and (dataset, metric) in facts.evidence.ranked
        ]
        if len(free) < 2:
            continue
        ranked = {metric: facts.evidence.ranked[dataset, metric] for metric in free}
        order = sorted(free, key=lambda metric: -ranked[metric].rho.value)
        head = sorted(free, key=lambda metric: -ranked[metric].rho_top.value)
        yield (
            f"{label(dataset)}: over the space, ρ is "
            + ", ".join(f"{_text(ranked[metric].rho)} for {label(metric)}" for metric in order)
            + "; over the best-scored tenth "
            + ", ".join(f"{_text(ranked[metric].rho_top)} for {label(metric)}" for metric in head)
            + "."
        )
        means = {metric: facts.mean(dataset, metric, "rea") or facts.mean(dataset, metric, "rs") for metric in free}
        leaders.append(max(free, key=lambda metric: -np.inf if means[metric] is None else means[metric].value))  # type: ignore[union-attr]
        ceiling = facts.evidence.ceilings.get(dataset)
        if ceiling is not None:
            yield (
                f"{label(dataset)}: twins, trained separately, rank with ρ = {_text(ceiling.rho)} over the space and "
                f"{_text(ceiling.rho_top)} in its best tenth: training noise alone takes that much from any predictor."
            )
    if leaders:
        same = len(set(leaders)) == 1
        yield (
            f"{'Yes' if same else 'No'}: the training-free metric whose evolution finds the best networks is "
            + ", ".join(
                f"{label(metric)} on {label(dataset)}"
                for metric, dataset in zip(leaders, datasets_of(facts.sweep), strict=False)
            )
            + "."
        )


def _pairs(facts: _Facts) -> Iterator[str]:
    ranking = method_ranking(facts.sweep)
    if ranking is not None:
        order = np.argsort(ranking.average_rank, kind="stable")
        first, second = order[0], order[1]
        significant = [ranking.names[i] for i in order[1:] if ranking.nemenyi_p[first, i] < 0.05]
        yield (
            f"Over the datasets, {ranking.names[first]} has the best average rank ({ranking.average_rank[first]:.2f}), "
            f"then {ranking.names[second]} ({ranking.average_rank[second]:.2f}); Friedman's test gives "
            f"p = {ranking.friedman_p:.3f}, and the critical difference is {ranking.critical_difference:.2f}, so that "
            + (
                f"it differs significantly from {', '.join(significant)}."
                if significant
                else "no search differs significantly from it."
            )
        )
    firsts = []
    for dataset in datasets_of(facts.sweep):
        keys = [key for key in facts.jobs if key[0] == dataset and facts.mean(*key) is not None]
        if keys:
            firsts.append((dataset, max(keys, key=lambda key: facts.mean(*key).value)))  # type: ignore[union-attr]
    if firsts:
        same = len({key[1:] for _, key in firsts}) == 1
        yield (
            f"{'Yes' if same else 'No'}: the best is "
            + ", ".join(f"{_pair(key)} on {label(dataset)}" for dataset, key in firsts)
            + "."
        )


def _differences(facts: _Facts) -> Iterator[str]:
    if accuracy_label(facts.sweep) != "test":
        return
    near = far = 0
    told = []
    for (dataset, metric, algo), (_, _, _, theirs, _) in paper.SEARCHES.items():
        job, mean = facts.jobs.get((dataset, metric, algo)), facts.mean(dataset, metric, algo)
        if job is None or mean is None or dict(job.hyper_parameters) != paper.PAPERS_HYPER_PARAMETERS[algo]:
            continue
        if abs(mean.value - theirs) < 1:
            near += 1
            continue
        far += 1
        found, counts = np.unique(job.runs["arch_index"], return_counts=True)
        most, arch = int(counts.max()), job.summary["best_arch_str"]
        told.append(
            f"{_pair((dataset, metric, algo))} on {label(dataset)}: {_text(mean)}, the paper {theirs:.2f}. {most} of "
            f"{len(job.runs['arch_index'])} runs return the same network; the best-scored is `{arch}`. Which network "
            "scores best depends on one initialisation and one mini-batch, the paper's and ours."
            if len(found) < len(job.runs["arch_index"])
            else f"{_pair((dataset, metric, algo))} on {label(dataset)}: {_text(mean)}, the paper {theirs:.2f}."
        )
    if near + far:
        yield f"Of {near + far} mean test accuracies in Tables III to V, {near} are within a point of the paper's."
        yield from told


def _versus(facts: _Facts, dataset: str, a: tuple[str, str], b: tuple[str, str]) -> str | None:
    """Say how search a does against search b."""
    first, second = "+".join(a), "+".join(b)
    sign, found = 1, facts.comparisons.get((dataset, first, second))
    if found is None:
        sign, found = -1, facts.comparisons.get((dataset, second, first))
    if found is None:
        return None
    superiority = found.superiority if sign > 0 else 1 - found.superiority
    p = "p < 0.001" if found.p_holm < 0.001 else f"p = {found.p_holm:.3f}"
    return f"a median difference of {sign * found.median_difference:+.2f} points, P = {superiority:.2f}, {p}"


def _pair(key: tuple[str, ...]) -> str:
    return f"{label(key[-2])} with {label(key[-1]).lower()}"


def _text(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
