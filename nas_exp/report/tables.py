"""The tables of a report, from a sweep and its evidence."""

from collections.abc import Sequence

import numpy as np

from nas_exp.analysis.comparisons import Ranking, anytime, between
from nas_exp.analysis.intervals import Interval, mean_interval
from nas_exp.report.document import Cell, Number, Table
from nas_exp.report.equal_cost import Budget
from nas_exp.report.evidence import Evidence
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.paper import numbers as paper
from nas_exp.report.view import (
    datasets_of,
    found_accuracy,
    has_papers_parameters,
    known_order,
    label,
    main_jobs,
    metrics_of,
    search_label,
)
from nas_exp.search.results import deviation


def correlation_tables(sweep: Sweep, evidence: Evidence) -> list[Table]:
    """Return the paper's Tables I and VI with ours beside: Spearman's rho, over the space and over the best-scored."""
    metrics = metrics_of(sweep)
    tables = []
    for name, title, papers, attribute in (
        ("table-1", "Table I: Spearman's ρ between metric and", paper.SPEARMAN, "rho"),
        ("table-6", "Table VI: the same over the tenth with the best scores; ρ with", paper.SPEARMAN_TOP, "rho_top"),
    ):
        rows: list[list[Cell]] = []
        for dataset in datasets_of(sweep):
            row: list[Cell] = [label(dataset)]
            for metric in metrics:
                ranked = evidence.ranked.get((dataset, metric))
                ours = None if ranked is None else getattr(ranked, attribute)
                row += [
                    _interval(ours),
                    papers.get((dataset, metric)),
                    _difference(ours, papers.get((dataset, metric))),
                ]
            ceiling = evidence.ceilings.get(dataset)
            row.append(None if ceiling is None else _interval(getattr(ceiling, attribute)))
            rows.append(row)
        tables.append(
            Table(
                name,
                f"{title} {sweep.accuracy_name} accuracy after 200 epochs",
                ["dataset", *["ours", "paper", "difference"] * len(metrics), "twins"],
                rows,
                "In brackets: bootstrap 95 % intervals. Twins are architectures that compute the same function and "
                "were trained separately: their column is the rank correlation of a predictor that is as good as "
                "training an equal network once, over all and over the tenth that it likes best.",
                ["", *(label(metric) for metric in metrics for _ in range(3)), "noise ceiling"],
            )
        )
    return tables


def search_tables(sweep: Sweep) -> list[Table]:
    """Return the paper's Tables III to V with ours beside: what the searches found and what they cost."""
    numbers = dict(zip(paper.DATASETS, ("III", "IV", "V"), strict=True))
    tables = []
    for dataset in datasets_of(sweep):
        jobs = {search: job for (of, search), job in main_jobs(sweep).items() if of == dataset}
        algos = known_order((algo for _, algo in jobs), paper.ALGOS)
        rows: list[list[Cell]] = []
        for metric in dict.fromkeys(metric for metric, _ in jobs):
            columns = [_beside_paper(jobs.get((metric, algo))) for algo in algos]
            for name, parts in zip(("ours", "paper", "difference"), zip(*columns, strict=True), strict=True):
                cells = [cell for three in parts for cell in three]
                if name == "ours" or any(cell is not None for cell in cells):
                    rows.append([label(metric), name, *cells])
        number = f"Table {numbers[dataset]}: " if dataset in numbers else ""
        tables.append(
            Table(
                f"table-{3 + list(numbers).index(dataset)}" if dataset in numbers else f"searches-{dataset}",
                f"{number}what searches found on {label(dataset)}: accuracy after 200 epochs (%), mean ± deviation",
                ["metric", "source", *["seconds", "validation", "test"] * len(algos)],
                rows,
                "Seconds are the mean cost of a search: of the scores it asked for, and its own time. The paper's were "
                "measured on Google Colab, ours on the processor that computed the score tables; val_acc costs what "
                "the benchmark says that training took.",
                ["", "", *(label(algo) for algo in algos for _ in range(3))],
            )
        )
    return tables


def _beside_paper(job: FinishedJob | None) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Return ours, the paper's and the difference: seconds, validation and test accuracy each."""
    unknown: list[Cell] = [None] * 3
    if job is None:
        return unknown, unknown, unknown
    seconds, val, test = job.summary["seconds_mean"], _mean(job, "val_acc"), _mean(job, "test_acc")
    ours: list[Cell] = [Number(float(seconds), digits=1) if seconds is not None else None, val, test]
    papers = paper.SEARCHES.get((job.dataset, job.metric, job.algo))
    if papers is None or not has_papers_parameters(job):
        return ours, unknown, unknown
    time, papers_val, val_std, papers_test, test_std = papers
    theirs: list[Cell] = [Number(time, digits=1), Number(papers_val, std=val_std), Number(papers_test, std=test_std)]
    return ours, theirs, [None, _difference(val, papers_val), _difference(test, papers_test)]


def quality_table(sweep: Sweep, evidence: Evidence) -> Table:
    """Return ranking quality beyond Spearman's rho."""
    rows: list[list[Cell]] = []
    for dataset in datasets_of(sweep):
        for metric in metrics_of(sweep):
            ranked = evidence.ranked.get((dataset, metric))
            if ranked is None:
                continue
            quality = ranked.quality
            rows.append([
                label(dataset), label(metric), _interval(ranked.tau), _interval(ranked.tau_top),
                quality.precision[10], quality.precision[100], _three(quality.ndcg[10]), _three(quality.ndcg[100]),
                quality.regret,
            ])  # fmt: skip
    return Table(
        "quality",
        f"How well metrics rank the space by {sweep.accuracy_name} accuracy",
        ["dataset", "metric", "τ", "τ top 10 %", "precision@10", "precision@100", "nDCG@10", "nDCG@100", "regret"],
        rows,
        "τ: Kendall's, with bootstrap 95 % intervals. precision@k: the share of the k best-scored that are among the k "
        "most accurate. nDCG@k: gain is accuracy scaled to 0…1 over the space. regret: points of accuracy between the "
        "best-scored network and the space's best.",
    )


def comparison_tables(evidence: Evidence) -> list[Table]:
    """Return, for each dataset, paired tests between all searches on what their runs found."""
    return [
        Table(
            f"tests-{dataset}",
            f"Paired comparisons on {label(dataset)}",
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


def equal_cost_tables(sweep: Sweep, evidence: Evidence) -> list[Table]:
    """Return, for each dataset, what searches find within each of the budgets in seconds that the sweep has."""
    return [
        Table(
            f"equal-cost-{dataset}",
            f"Searches at equal cost on {label(dataset)}: {sweep.accuracy_name} accuracy (%), mean ± deviation",
            ["search", "seconds", "accuracy", "networks scored", "median of best − it", "P(best > it)", "p (Holm)"],
            [row for budget in costs.budgets for row in _within(budget)],
            "Seconds are those of the scores that a search asks for; the best search of a budget comes first. In "
            "brackets: bootstrap 95 % intervals of the mean. The other columns compare with the best at the same cost, "
            "by Wilcoxon's signed-rank test over runs, which share their seeds; p-values are corrected over all pairs "
            "of searches at that cost by Holm's method. P(best > it) counts ties as half.",
        )
        for dataset, costs in evidence.equal_cost.items()
    ]


def _within(budget: Budget) -> list[list[Cell]]:
    """Return a row for each search within a budget, the best first."""
    means = {search: mean_interval(accuracy) for search, accuracy in budget.found.items()}
    order = sorted(means, key=lambda search: -means[search].value)
    rows = list[list[Cell]]()
    for search in order:
        interval = means[search]
        accuracy = Number(
            interval.value, std=deviation(budget.found[search].tolist()), interval=(interval.low, interval.high)
        )
        best = between(budget.comparisons, search_label(order[0]), search_label(search))
        against: list[Cell] = [None] * 3
        if best is not None:
            against = [Number(best.median_difference, signed=True), best.superiority, _p(best.p_holm)]
        rows.append([
            search_label(search), round(budget.seconds), accuracy, Number(budget.scored[search], digits=1), *against,
        ])  # fmt: skip
    return rows


def mean_table(sweep: Sweep, evidence: Evidence) -> Table:
    """Return the mean of what every search found, with its interval, by dataset."""
    datasets = datasets_of(sweep)
    return Table(
        "means",
        f"Mean {sweep.accuracy_name} accuracy of what searches found (%), with 95 % intervals",
        ["search", *(label(dataset) for dataset in datasets)],
        [
            [search_label(search), *(_interval(evidence.means.get((dataset, search))) for dataset in datasets)]
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


def anytime_table(sweep: Sweep, evidence: Evidence) -> Table:
    """Return how fast searches get where they get."""
    rows: list[list[Cell]] = []
    for (dataset, search), job in main_jobs(sweep).items():
        ranked = evidence.ranked.get((dataset, job.metric))
        if ranked is None or not np.isfinite(ranked.score).any():
            continue
        best = float(ranked.score[np.isfinite(ranked.score)].max())
        found = anytime(job.trajectory[sweep.accuracy], job.trajectory["score"], best)
        rows.append([
            label(dataset), search_label(search),
            _interval(found.area), _interval(found.budget, digits=0), _interval(found.best_found),
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


def ablation_tables(sweep: Sweep) -> list[Table]:
    """Return a table for each algorithm that ran with several hyper-parameters: accuracies, and against the paper's."""
    tables = []
    for algo in known_order((job.algo for job in sweep.jobs), paper.ALGOS):
        jobs = [job for job in sweep.jobs if job.algo == algo]
        settings = list(dict.fromkeys(job.hyper_parameters for job in jobs))
        if len(settings) > 1:
            tables.append(_ablation(sweep, algo, jobs, settings))
    return tables


def _ablation(
    sweep: Sweep, algo: str, jobs: Sequence[FinishedJob], settings: Sequence[tuple[tuple[str, object], ...]]
) -> Table:
    swept = [key for key, _ in settings[0] if len({dict(setting)[key] for setting in settings}) > 1]
    usual = next((job.hyper_parameters for job in jobs if has_papers_parameters(job)), settings[0])
    tasks = [(dataset, metric) for dataset in datasets_of(sweep) for metric in metrics_of(sweep)]
    # of several, the one with the largest budget in seconds
    by_setting = {
        (job.hyper_parameters, job.dataset, job.metric): job for job in sorted(jobs, key=lambda job: job.budget)
    }
    values = {key: found for key, job in by_setting.items() if (found := found_accuracy(sweep, job)) is not None}
    tasks = [task for task in tasks if all((setting, *task) in values for setting in settings)]
    rows: list[tuple[float, list[Cell]]] = []
    for setting in settings:
        differences = [values[setting, *task] - values[usual, *task] for task in tasks]
        against = mean_interval(np.mean(differences, axis=0)) if differences and setting != usual else None
        cells = [_mean(by_setting[setting, *task], sweep.accuracy) for task in tasks]
        rows.append((
            0.0 if against is None else against.value,
            [_setting(setting, swept), _interval(against, signed=True), *cells],
        ))  # fmt: skip
    best = max(rows, key=lambda row: row[0])[1]
    shown = _interval_text(best[1])
    return Table(
        f"ablation-{algo}",
        f"{label(algo)}: {sweep.accuracy_name} accuracy (%) by {', '.join(swept)}, mean ± deviation",
        [", ".join(swept), f"against {_setting(usual, swept)}", *(label(metric) for _, metric in tasks)],
        [row for _, row in rows],
        f"Against {_setting(usual, swept)}: the mean difference over all columns, paired by run, with its bootstrap "
        f"95 % interval. Best: {best[0]}{shown}.",
        ["", "all", *(label(dataset) for dataset, _ in tasks)],
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


def _interval(interval: Interval | None, *, digits: int = 2, signed: bool = False) -> Number | None:
    if interval is None:
        return None
    return Number(interval.value, digits, interval=(interval.low, interval.high), signed=signed)


def _difference(ours: Interval | Number | None, papers: float | None) -> Number | None:
    return None if ours is None or papers is None else Number(ours.value - papers, signed=True)


def _three(value: float | None) -> Number | None:
    return None if value is None else Number(value, digits=3)


def _p(value: float) -> Number | str:
    return "< 0.001" if value < 0.001 else Number(value, digits=3)
