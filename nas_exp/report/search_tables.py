"""The tables of a report on searches."""

from collections.abc import Sequence

import numpy as np

from nas_exp.analysis.anytime import anytime
from nas_exp.analysis.comparisons import Ranking, between
from nas_exp.analysis.intervals import mean_interval
from nas_exp.report.document import Cell, Number, Table, difference, of_interval
from nas_exp.report.equal_cost import Budget
from nas_exp.report.evidence import Evidence
from nas_exp.report.sweep import FinishedJob, FinishedSweep, in_order
from nas_exp.search.results import deviation


def search_tables(sweep: FinishedSweep) -> list[Table]:
    """Return, for each dataset, what the searches found and what they cost, beside the published numbers."""
    reference = sweep.reference
    tables = []
    for dataset in sweep.datasets:
        jobs = {search: job for (of, search), job in sweep.main_jobs.items() if of == dataset}
        algos = in_order((algo for _, algo in jobs), reference.algos)
        rows: list[list[Cell]] = []
        for metric in dict.fromkeys(metric for metric, _ in jobs):
            columns = [_beside_published(sweep, jobs.get((metric, algo))) for algo in algos]
            for source, parts in zip(("ours", "paper", "difference"), zip(*columns, strict=True), strict=True):
                cells = [cell for three in parts for cell in three]
                if source == "ours" or any(cell is not None for cell in cells):
                    rows.append([sweep.label(metric), *([source] if reference.searches else []), *cells])
        name, title = reference.numbered(
            f"searches-{dataset}",
            f"what searches found on {sweep.label(dataset)}: accuracy {sweep.after_training} (%), mean ± deviation",
        )
        own = ["metric", *(["source"] if reference.searches else [])]
        tables.append(
            Table(
                name,
                title,
                [*own, *["seconds", "validation", "test"] * len(algos)],
                rows,
                "Seconds are the mean cost of a search: of the scores it asked for, and its own time. "
                f"{reference.seconds_measured} on the processor that computed the score tables; val_acc costs what "
                "the benchmark says that training took.",
                [*[""] * len(own), *(sweep.label(algo) for algo in algos for _ in range(3))],
            )
        )
    return tables


def _beside_published(sweep: FinishedSweep, job: FinishedJob | None) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Return seconds, validation and test accuracy three times: ours, the published ones, and the difference."""
    unknown: list[Cell] = [None] * 3
    if job is None:
        return unknown, unknown, unknown
    seconds, val, test = job.summary["seconds_mean"], _mean(job, "val_acc"), _mean(job, "test_acc")
    ours: list[Cell] = [Number(float(seconds), digits=1) if seconds is not None else None, val, test]
    theirs = sweep.reference.searches.get((job.dataset, job.metric, job.algo))
    if theirs is None or not sweep.is_as_published(job):
        return ours, unknown, unknown
    published: list[Cell] = [
        Number(theirs.seconds, digits=1),
        Number(theirs.val_acc, std=theirs.val_acc_std),
        Number(theirs.test_acc, std=theirs.test_acc_std),
    ]
    return ours, published, [None, difference(val, theirs.val_acc), difference(test, theirs.test_acc)]


def comparison_tables(sweep: FinishedSweep, evidence: Evidence) -> list[Table]:
    """Return, for each dataset, paired tests between all searches on what their runs found."""
    return [
        Table(
            f"tests-{dataset}",
            f"Paired comparisons on {sweep.label(dataset)}",
            ["A", "B", "median of A − B", "P(A > B)", "p (Holm)"],
            [
                [one.a, one.b, Number(one.median_difference, signed=True), one.superiority, _p(one.p_holm)]
                for one in comparisons
            ],
            "Wilcoxon's signed-rank test over runs, which share their seeds; p-values are corrected over all pairs "
            "of the table by Holm's method. P(A > B) counts ties as half: the probability of superiority.",
        )
        for dataset, comparisons in evidence.comparisons.items()
    ]


def equal_cost_tables(sweep: FinishedSweep, evidence: Evidence) -> list[Table]:
    """Return, for each dataset, what searches find within each of the budgets in seconds that the sweep has."""
    return [
        Table(
            f"equal-cost-{dataset}",
            f"Searches at equal cost on {sweep.label(dataset)}: {sweep.accuracy_name} accuracy (%), mean ± deviation",
            ["search", "seconds", "accuracy", "networks scored", "median of best − it", "P(best > it)", "p (Holm)"],
            [row for budget in costs.budgets for row in _within(sweep, budget)],
            "Seconds are those of the scores that a search asks for; the best search of a budget comes first. In "
            "brackets: bootstrap 95 % intervals of the mean. The other columns compare with the best at the same cost, "
            "by Wilcoxon's signed-rank test over runs, which share their seeds; p-values are corrected over all pairs "
            "of searches at that cost by Holm's method. P(best > it) counts ties as half.",
        )
        for dataset, costs in evidence.equal_cost.items()
    ]


def _within(sweep: FinishedSweep, budget: Budget) -> list[list[Cell]]:
    """Return a row for each search within a budget, the best first."""
    means = {search: mean_interval(accuracy) for search, accuracy in budget.found.items()}
    order = sorted(means, key=lambda search: -means[search].value)
    rows = list[list[Cell]]()
    for search in order:
        interval = means[search]
        accuracy = Number(
            interval.value, std=deviation(budget.found[search].tolist()), interval=(interval.low, interval.high)
        )
        best = between(budget.comparisons, sweep.search_label(order[0]), sweep.search_label(search))
        against: list[Cell] = [None] * 3
        if best is not None:
            against = [Number(best.median_difference, signed=True), best.superiority, _p(best.p_holm)]
        scored = Number(budget.scored[search], digits=1)
        rows.append([sweep.search_label(search), round(budget.seconds), accuracy, scored, *against])
    return rows


def mean_table(sweep: FinishedSweep, evidence: Evidence) -> Table:
    """Return the mean of what every search found, with its interval, by dataset."""
    return Table(
        "means",
        f"Mean {sweep.accuracy_name} accuracy of what searches found (%), with 95 % intervals",
        ["search", *(sweep.label(dataset) for dataset in sweep.datasets)],
        [
            [
                sweep.search_label(search),
                *(of_interval(evidence.means.get((dataset, search))) for dataset in sweep.datasets),
            ]
            for search in dict.fromkeys(search for _, search in evidence.means)
        ],
        "Bootstrap over runs. Where all runs found the same network there is no spread to speak of.",
    )


def rank_table(ranking: Ranking) -> Table:
    """Return average ranks over datasets with Friedman's and Nemenyi's tests."""
    order = np.argsort(ranking.average_rank, kind="stable")
    best = order[0]
    friedman = (
        ""
        if ranking.friedman_p is None
        else f"Friedman: χ² = {ranking.friedman_statistic:.2f}, p = {ranking.friedman_p:.3g}. "
    )
    rows: list[list[Cell]] = [
        [
            ranking.names[i],
            Number(float(ranking.average_rank[i])),
            None if i == best else _p(float(ranking.nemenyi_p[best, i])),
        ]
        for i in order
    ]
    return Table(
        "ranks",
        "Average ranks of searches over datasets (1 is best)",
        ["search", "average rank", "p against the first (Nemenyi)"],
        rows,
        f"{friedman}Average ranks that differ by less than {ranking.critical_difference:.2f} are not "
        "significantly different (Nemenyi, α = 0.05).",
    )


def anytime_table(sweep: FinishedSweep, evidence: Evidence) -> Table:
    """Return how fast searches find what they find."""
    rows: list[list[Cell]] = []
    for (dataset, search), job in sweep.main_jobs.items():
        scores, _ = evidence.scored.get((dataset, job.metric), (np.empty(0), None))
        finite = scores[np.isfinite(scores)]
        if not len(finite):
            continue
        found = anytime(job.trajectory[sweep.accuracy], job.trajectory["score"], float(finite.max()))
        has_one_best = all(part.config.metric == job.config.metric for part in job.parts)
        rows.append([
            sweep.label(dataset), sweep.search_label(search),
            of_interval(found.area), of_interval(found.budget, 0),
            of_interval(found.best_found) if has_one_best else None,
        ])  # fmt: skip
    return Table(
        "anytime",
        f"How searches proceed ({sweep.accuracy_name} accuracy of the incumbent)",
        ["dataset", "search", "mean over the search (%)", "networks to within 0.5", "found the best-scored"],
        rows,
        "Mean over the search: the area under the incumbent's accuracy curve. Networks to within 0.5: after how many "
        "scored networks the mean curve stays within half a point of its end. Found the best-scored: the share of runs "
        "that met the network with the best score of the space. With 95 % intervals.",
    )


def ablation_tables(sweep: FinishedSweep) -> list[Table]:
    """Return a table for each algorithm that ran with several hyper-parameters: accuracies and differences."""
    tables = []
    for algo in sweep.algos:
        jobs = [job for job in sweep.jobs if job.algo == algo]
        settings = list(dict.fromkeys(job.hyper_parameters for job in jobs))
        if len(settings) > 1:
            tables.append(_ablation(sweep, algo, jobs, settings))
    return tables


def _ablation(
    sweep: FinishedSweep, algo: str, jobs: Sequence[FinishedJob], settings: Sequence[tuple[tuple[str, object], ...]]
) -> Table:
    swept = [key for key, _ in settings[0] if len({dict(setting)[key] for setting in settings}) > 1]
    usual = next((job.hyper_parameters for job in jobs if sweep.is_as_published(job)), settings[0])
    tasks = [(dataset, metric) for dataset in sweep.datasets for metric in sweep.metrics]
    # the job with the largest budget in seconds comes last and stays
    by_setting = {
        (job.hyper_parameters, job.dataset, job.metric): job for job in sorted(jobs, key=lambda job: job.budget)
    }
    values = {key: found for key, job in by_setting.items() if (found := sweep.found_accuracy(job)) is not None}
    tasks = [task for task in tasks if all((setting, *task) in values for setting in settings)]
    rows: list[tuple[float, list[Cell]]] = []
    for setting in settings:
        differences = [values[setting, *task] - values[usual, *task] for task in tasks]
        against = mean_interval(np.mean(differences, axis=0)) if differences and setting != usual else None
        cells = [_mean(by_setting[setting, *task], sweep.accuracy) for task in tasks]
        rows.append((
            0.0 if against is None else against.value,
            [_setting(setting, swept), of_interval(against, signed=True), *cells],
        ))  # fmt: skip
    best = max(rows, key=lambda row: row[0])[1]
    shown = _interval_text(best[1])
    return Table(
        f"ablation-{algo}",
        f"{sweep.label(algo)}: {sweep.accuracy_name} accuracy (%) by {', '.join(swept)}, mean ± deviation",
        [", ".join(swept), f"against {_setting(usual, swept)}", *(sweep.label(metric) for _, metric in tasks)],
        [row for _, row in rows],
        f"Against {_setting(usual, swept)}: the mean difference over all columns, paired by run, with its bootstrap "
        f"95 % interval. Best: {best[0]}{shown}.",
        ["", "all", *(sweep.label(dataset) for dataset, _ in tasks)],
    )


def _setting(setting: Sequence[tuple[str, object]], keys: Sequence[str]) -> str:
    values = [str(dict(setting)[key]) for key in keys]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def _interval_text(cell: Cell) -> str:
    if not isinstance(cell, Number) or cell.interval is None:
        return ", which is the usual one"
    low, high = cell.interval
    return f", by {cell.value:+.2f} points [{low:+.2f}, {high:+.2f}]"


def _mean(job: FinishedJob, accuracy: str) -> Number | None:
    mean, std = (job.summary[f"{accuracy}_{statistic}"] for statistic in ("mean", "std"))
    return None if mean is None else Number(float(mean), std=None if std is None else float(std))


def _p(value: float) -> Number | str:
    return "< 0.001" if value < 0.001 else Number(value, digits=3)
