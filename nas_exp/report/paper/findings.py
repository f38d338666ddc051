"""A sweep in sentences, each with its figure, its test and its interval.

They answer the paper's four questions and say, for a sweep with budgets in seconds, what searches find within them.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from nas_exp.analysis.comparisons import Comparison, between
from nas_exp.analysis.intervals import Interval, mean_interval
from nas_exp.report.equal_cost import Budget, EqualCost
from nas_exp.report.evidence import Evidence
from nas_exp.report.sweep import FinishedSweep, Search

ALPHA = 0.05
PAPERS_RUNS = 30
TRAINED = "val_acc"
"""The metric that trains every network."""


def findings(sweep: FinishedSweep, evidence: Evidence) -> str:
    """Return the findings as Markdown.

    There is one section for each of the paper's questions and one on where we differ; where jobs have budgets in
    seconds, one on searches at equal cost, which is the only one where all jobs have them.
    """
    of_the_paper = (
        ("What are the limitations of a standard NAS pipeline?", _limitations(sweep, evidence)),
        (
            "Do training-free searches find networks as good as searches that train every network?",
            _comparable(sweep, evidence),
        ),
        ("Is there a metric that is better than the others on all datasets?", _metrics(sweep, evidence)),
        (
            "Is there a combination of metric and algorithm that is better than the others on all datasets?",
            _pairs(sweep, evidence),
        ),
        ("Where our numbers differ from the paper's, and why", _differences(sweep, evidence)),
    )
    at_equal_cost = ("What do searches find at equal cost?", _at_equal_cost(sweep, evidence))
    are_all_cut_short = all(math.isfinite(job.budget) for job in sweep.jobs)
    sections = (*(() if are_all_cut_short else of_the_paper), at_equal_cost)
    notes = [(title, list(sentences)) for title, sentences in sections]
    runs = ", ".join(dict.fromkeys(str(job.config.runs) for job in sweep.all_jobs))
    head = (
        f"# Findings\n\nWritten by `python run.py task=report sweep={sweep.folder} task.findings=FILE` from the "
        f"results of `{sweep.command or sweep.folder}`: {len(sweep.all_jobs)} jobs of {runs} runs. Accuracies are "
        f"{sweep.accuracy_name} accuracies {sweep.after_training}, in percent; brackets hold bootstrap 95 % intervals; "
        "comparisons are paired by run (Wilcoxon's signed-rank test, p by Holm's method over all pairs of a dataset; P "
        "is the probability of superiority, ties counting half).\n"
    )
    return head + "".join(
        f"\n## {title}\n\n" + "".join(f"- {sentence}\n" for sentence in sentences)
        for title, sentences in notes
        if sentences
    )


def _limitations(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    for dataset in sweep.datasets:
        job = sweep.main_jobs.get((dataset, (TRAINED, "rs")))
        mean, ranked = evidence.means.get((dataset, (TRAINED, "rs"))), evidence.ranked.get((dataset, TRAINED))
        schedules = sweep.space.schedules
        if job is None or ranked is None or mean is None or schedules is None:
            continue
        optimum, epochs = evidence.scored[dataset, TRAINED][1].max(), schedules.short
        hours = float(np.mean(job.runs["seconds"])) / 3600
        yield (
            f"{sweep.label(dataset)}: random search on {epochs}-epoch validation accuracy costs "
            f"{hours:,.0f} hours of training and finds {_text(mean)}, {optimum - mean.value:.2f} points below the best "
            f"network of the space ({optimum:.2f}). {epochs} epochs rank the space with ρ = {_text(ranked.rho)}, and "
            f"its best tenth with {_text(ranked.rho_top)}."
        )
        if (versus := _versus(sweep, evidence, dataset, (TRAINED, "rea"), (TRAINED, "rs"))) is not None:
            yield f"{sweep.label(dataset)}: evolution instead of random search makes {versus}."


def _comparable(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    seconds = {key: float(np.mean(job.runs["seconds"])) for key, job in sweep.main_jobs.items()}
    for dataset in sweep.datasets:
        means = _means_of(evidence, dataset)
        free = {search: mean for search, mean in means.items() if search[0] != TRAINED}
        trained = {search: mean for search, mean in means.items() if search[0] == TRAINED}
        if not free or not trained:
            continue
        best, rival = _best(free), _best(trained)
        versus = _versus(sweep, evidence, dataset, rival, best)
        yield (
            f"{sweep.label(dataset)}: the best training-free search, {sweep.search_label(best)}, finds "
            f"{_text(free[best])}; {sweep.search_label(rival)} finds {_text(trained[rival])} at "
            f"{seconds[dataset, rival] / seconds[dataset, best]:,.0f} times the cost"
            + (f" ({versus})." if versus is not None else ".")
        )


def _metrics(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    leaders = {}
    for dataset in sweep.datasets:
        ranked = {
            metric: evidence.ranked[dataset, metric]
            for metric in sweep.metrics
            if metric != TRAINED and (dataset, metric) in evidence.ranked
        }
        if len(ranked) < 2:
            continue
        over_all = sorted(ranked, key=lambda metric: -ranked[metric].rho.value)
        among_best = sorted(ranked, key=lambda metric: -ranked[metric].rho_top.value)
        yield (
            f"{sweep.label(dataset)}: over the space, ρ is "
            + ", ".join(f"{_text(ranked[metric].rho)} for {sweep.label(metric)}" for metric in over_all)
            + "; over the best-scored tenth "
            + ", ".join(f"{_text(ranked[metric].rho_top)} for {sweep.label(metric)}" for metric in among_best)
            + "."
        )
        ceiling = evidence.ceilings[dataset]
        yield (
            f"{sweep.label(dataset)}: twins, which compute the same function and were trained separately, rank each "
            f"other with ρ = {_text(ceiling.rho)} over the space and {_text(ceiling.rho_top)} in its best tenth: a "
            "predictor that is as good as training an equal network once ranks no better."
        )
        if free := {search: mean for search, mean in _means_of(evidence, dataset).items() if search[0] != TRAINED}:
            leaders[dataset] = _best(free)[0]
    if leaders:
        answer = "Yes" if len({*leaders.values()}) == 1 else "No"
        yield (
            f"{answer}: the training-free metric whose searches find the best networks is "
            + ", ".join(f"{sweep.label(metric)} on {sweep.label(dataset)}" for dataset, metric in leaders.items())
            + "."
        )


def _pairs(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    ranking = evidence.ranking
    if ranking is not None:
        first, second, *_ = order = np.argsort(ranking.average_rank, kind="stable").tolist()
        significant = [ranking.names[i] for i in order if ranking.nemenyi_p[first, i] < ALPHA]
        friedman = "" if ranking.friedman_p is None else f" Friedman's test gives p = {ranking.friedman_p:.3f}."
        yield (
            f"Over the datasets, {ranking.names[first]} has the best average rank ({ranking.average_rank[first]:.2f}), "
            f"then {ranking.names[second]} ({ranking.average_rank[second]:.2f}).{friedman} The critical difference is "
            f"{ranking.critical_difference:.2f}: {ranking.names[first]} differs significantly from "
            f"{', '.join(significant) or 'no other search'}."
        )
    firsts = {dataset: _best(means) for dataset in sweep.datasets if (means := _means_of(evidence, dataset))}
    if firsts:
        yield (
            f"{'Yes' if len({*firsts.values()}) == 1 else 'No'}: the best is "
            + ", ".join(f"{sweep.search_label(search)} on {sweep.label(dataset)}" for dataset, search in firsts.items())
            + "."
        )


def _differences(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    if sweep.accuracy_name != "test":
        return
    yield from _other_correlations(sweep, evidence)
    yield from _other_means(sweep, evidence)


def _other_correlations(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    notes, compared = list[str](), 0
    for papers, attribute, where in (
        (sweep.reference.rho, "rho", "the space"),
        (sweep.reference.rho_top, "rho_top", "its best-scored tenth"),
    ):
        for (dataset, metric), theirs in papers.items():
            ranked = evidence.ranked.get((dataset, metric))
            ours = None if ranked is None else getattr(ranked, attribute)
            if ours is None or not math.isfinite(ours.value):
                continue
            compared += 1
            if abs(round(ours.value, 2) - theirs) > 0.011:
                which = f"{sweep.label(metric)} on {sweep.label(dataset)} over {where}"
                notes.append(f"{which} {_text(ours)}, the paper {theirs:.2f}")
    if compared:
        yield (
            f"Of {compared} rank correlations in Tables I and VI, {compared - len(notes)} are within 0.01 of the "
            "paper's"
            + (
                f". The others: {'; '.join(notes)}. Scores depend on the initialisation and the mini-batch."
                if notes
                else "."
            )
        )


def _other_means(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    notes, compared = [], 0
    for (dataset, search), job in sweep.main_jobs.items():
        published, mean = sweep.reference.searches.get((dataset, *search)), evidence.means.get((dataset, search))
        if published is None or mean is None or not sweep.is_as_published(job):
            continue
        compared += 1
        theirs, deviation = published.test_acc, published.test_acc_std
        if abs(mean.value - theirs) < 1:
            continue
        archs, firsts, counts = np.unique(job.runs["arch_index"], return_index=True, return_counts=True)
        sentence = f"{sweep.search_label(search)} on {sweep.label(dataset)}: {_text(mean)}, the paper {theirs:.2f}."
        if 2 * counts.max() > counts.sum():
            sentence += (
                f" {counts.max()} of {counts.sum()} runs return the same network; the best-scored is "
                f"`{job.summary['best_arch_str']}`. Which network scores best depends on the initialisation and the "
                "mini-batch, of which the paper and we have drawn one each."
            )
        else:
            error = deviation / math.sqrt(PAPERS_RUNS)
            accuracy = job.runs[sweep.accuracy][firsts]
            worst, best = (
                f"`{sweep.space.spell(int(archs[at]))}` ({accuracy[at]:.2f}, {counts[at]} of {counts.sum()} runs)"
                for at in (np.argmin(accuracy), np.argmax(accuracy))
            )
            sentence += (
                f" Runs return {len(archs)} different networks, from {worst} to {best}, and a mean over so few "
                f"moves with them: the paper's deviation of {deviation:.2f} over {PAPERS_RUNS} runs gives its mean a "
                f"standard error of {error:.2f}."
            )
        notes.append(sentence)
    if compared:
        within = compared - len(notes)
        yield f"Of {compared} mean test accuracies in Tables III to V, {within} are within a point of the paper's."
        yield from notes


def _at_equal_cost(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    for dataset, costs in evidence.equal_cost.items():
        for budget in costs.budgets:
            if len(budget.found) > 1:
                yield f"{sweep.label(dataset)}, {budget.seconds:,.0f} seconds: {_within(sweep, budget)}."
        if costs.budgets:
            yield from _sooner(sweep, dataset, costs)


def _within(sweep: FinishedSweep, budget: Budget) -> str:
    """Say what each search has found within a budget, the best first, and how the first two compare."""
    means = {search: mean_interval(values) for search, values in budget.found.items()}
    first, second, *others = sorted(means, key=lambda search: -means[search].value)
    best, rival = (
        f"{sweep.search_label(search)} finds {_text(means[search])} ({budget.scored[search]:,.0f} networks scored)"
        for search in (first, second)
    )
    compared = between(budget.comparisons, sweep.search_label(first), sweep.search_label(second))
    versus = "" if compared is None else f"; between the two {_difference(compared)}"
    rest = ", ".join(f"{sweep.search_label(search)} {means[search].value:.2f}" for search in others)
    return f"{best}, {rival}{versus}" + (f". The others: {rest}" if rest else "")


def _sooner(sweep: FinishedSweep, dataset: str, costs: EqualCost) -> Iterator[str]:
    """Say when the best search has found on average what the others find within the largest budget."""
    largest = costs.budgets[-1]
    means = {search: float(values.mean()) for search, values in largest.found.items() if search in costs.curves}
    if len(means) < 2:
        return
    best = max(means, key=lambda search: means[search])
    curve = costs.curves[best]
    reached: dict[str, list[str]] = {}
    for search, mean in sorted(means.items(), key=lambda item: -item[1]):
        at_least = np.flatnonzero(curve.accuracy.value >= mean)
        if search != best and len(at_least):
            reached.setdefault(f"{curve.seconds[at_least[0]]:,.0f}", []).append(sweep.search_label(search))
    notes = [f"as {', '.join(names)} after {seconds}" for seconds, names in reached.items()]
    yield (
        f"{sweep.label(dataset)}: as much as others find within {largest.seconds:,.0f} seconds, "
        f"{sweep.search_label(best)} has found before: {'; '.join(notes)} seconds."
    )


def _means_of(evidence: Evidence, dataset: str) -> dict[Search, Interval]:
    return {search: mean for (of, search), mean in evidence.means.items() if of == dataset}


def _best(means: Mapping[Search, Interval]) -> Search:
    return max(means, key=lambda search: means[search].value)


def _versus(sweep: FinishedSweep, evidence: Evidence, dataset: str, a: Search, b: Search) -> str | None:
    """Say how search a does against search b."""
    found = between(evidence.comparisons[dataset], sweep.search_label(a), sweep.search_label(b))
    return None if found is None else _difference(found)


def _difference(found: Comparison) -> str:
    p = "p < 0.001" if found.p_holm < 0.001 else f"p = {found.p_holm:.3f}"
    difference = round(found.median_difference, 2) + 0.0  # no minus before a zero
    return f"a median difference of {difference:+.2f} points, P = {found.superiority:.2f}, {p}"


def _text(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
