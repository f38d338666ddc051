"""The tables of a report, from a sweep and its evidence."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from nas_exp.report import paper
from nas_exp.report.document import Cell, Number, Table
from nas_exp.report.evidence import Evidence
from nas_exp.report.finished import FinishedJob, Sweep
from nas_exp.report.statistics import Interval, Ranking, anytime, compare_pairs, mean_interval, ranks_over_datasets

FloatArray = npt.NDArray[np.float64]


def known_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """Return the different names, those of `order` first and in that order."""
    different, places = list(dict.fromkeys(names)), list(order)
    return sorted(different, key=lambda name: places.index(name) if name in places else len(places))


def label(name: str) -> str:
    """Return what people call a dataset, a metric or an algorithm."""
    return {**paper.DATASETS, **paper.METRICS, **paper.ALGOS}.get(name, name)


def datasets_of(sweep: Sweep) -> list[str]:
    """Return the datasets of a sweep, in the paper's order."""
    return known_order((job.dataset for job in sweep.jobs), paper.DATASETS)


def metrics_of(sweep: Sweep) -> list[str]:
    """Return the metrics of a sweep, in the paper's order."""
    return known_order((job.metric for job in sweep.jobs), paper.METRICS)


def main_jobs(sweep: Sweep) -> list[FinishedJob]:
    """Return one job for each dataset, metric and algorithm: that with the paper's hyper-parameters, else the first."""
    chosen: dict[tuple[str, str, str], FinishedJob] = {}
    for job in sweep.jobs:
        key = job.dataset, job.metric, job.algo
        if key not in chosen or dict(job.hyper_parameters) == paper.PAPERS_HYPER_PARAMETERS.get(job.algo):
            chosen[key] = job
    return list(chosen.values())


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
                f"{title} {evidence.accuracy_name} accuracy after 200 epochs",
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
        jobs = {(job.metric, job.algo): job for job in main_jobs(sweep) if job.dataset == dataset}
        algos = known_order((algo for _, algo in jobs), paper.ALGOS)
        rows: list[list[Cell]] = []
        for metric in known_order((metric for metric, _ in jobs), paper.METRICS):
            ours, papers, differences = list[Cell](), list[Cell](), list[Cell]()
            for algo in algos:
                job, theirs = jobs.get((metric, algo)), paper.SEARCHES.get((dataset, metric, algo))
                if job is not None and dict(job.hyper_parameters) != paper.PAPERS_HYPER_PARAMETERS.get(algo):
                    theirs = None
                summary = {} if job is None else job.summary
                seconds, values = (
                    summary.get("seconds_mean"),
                    [_mean(summary, name) for name in ("val_acc", "test_acc")],
                )
                ours += [None if seconds is None else Number(float(seconds), digits=1), *values]
                if theirs is None:
                    papers += [None] * 3
                    differences += [None] * 3
                    continue
                time, val, val_std, test, test_std = theirs
                papers += [Number(time, digits=1), Number(val, std=val_std), Number(test, std=test_std)]
                differences += [
                    None,
                    *(
                        None if value is None else Number(value.value - of_paper, signed=True)
                        for value, of_paper in zip(values, (val, test), strict=True)
                    ),
                ]
            rows += [
                [label(metric), "ours", *ours],
                [label(metric), "paper", *papers],
                [label(metric), "difference", *differences],
            ]
        number = f"Table {numbers[dataset]}: " if dataset in numbers else ""
        tables.append(
            Table(
                f"table-{3 + list(numbers).index(dataset)}" if dataset in numbers else f"searches-{dataset}",
                f"{number}what searches found on {label(dataset)}: accuracy after 200 epochs (%), mean ± deviation",
                ["metric", "", *["seconds", "validation", "test"] * len(algos)],
                rows,
                "Seconds are the mean cost of a search: of the scores it asked for, and its own time. The paper's were "
                "measured on Google Colab, ours on the processor that computed the score tables; val_acc costs what "
                "the benchmark says that training took.",
                ["", "", *(label(algo) for algo in algos for _ in range(3))],
            )
        )
    return tables


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
        f"How well metrics rank the space by {evidence.accuracy_name} accuracy",
        ["dataset", "metric", "τ", "τ top 10 %", "precision@10", "precision@100", "nDCG@10", "nDCG@100", "regret"],
        rows,
        "τ: Kendall's, with bootstrap 95 % intervals. precision@k: the share of the k best-scored that are among the k "
        "most accurate. nDCG@k: gain is accuracy scaled to 0…1 over the space. regret: points of accuracy between the "
        "best-scored network and the space's best.",
    )


def comparison_tables(sweep: Sweep) -> list[Table]:
    """Return, for each dataset, paired tests between all (metric, algorithm) pairs on what their runs found."""
    tables = []
    for dataset in datasets_of(sweep):
        results = {
            f"{label(job.metric)}, {label(job.algo)}": values
            for job in _in_papers_order(main_jobs(sweep))
            if job.dataset == dataset and (values := found_accuracy(job)) is not None
        }
        if len(results) < 2 or len({len(values) for values in results.values()}) > 1:
            continue
        rows: list[list[Cell]] = [
            [one.a, one.b, Number(one.median_difference, signed=True), one.superiority, _p(one.p_holm)]
            for one in compare_pairs(results)
        ]
        tables.append(
            Table(
                f"tests-{dataset}",
                f"Paired comparisons on {label(dataset)}",
                ["A", "B", "median of A − B", "P(A > B)", "p (Holm)"],
                rows,
                "Wilcoxon's signed-rank test over runs, which share their seeds; p-values are corrected over all pairs "
                "of the table by Holm's method. P(A > B) counts ties as half: the probability of superiority.",
            )
        )
    return tables


def mean_table(sweep: Sweep) -> Table:
    """Return the mean of what every search found, with its interval, by dataset."""
    datasets = datasets_of(sweep)
    jobs = {(job.metric, job.algo, job.dataset): job for job in main_jobs(sweep)}
    rows: list[list[Cell]] = []
    for metric, algo in dict.fromkeys((job.metric, job.algo) for job in _in_papers_order(list(jobs.values()))):
        cells = list[Cell]()
        for dataset in datasets:
            job = jobs.get((metric, algo, dataset))
            values = None if job is None else found_accuracy(job)
            cells.append(None if values is None else _interval(mean_interval(values)))
        rows.append([label(metric), label(algo), *cells])
    return Table(
        "means",
        f"Mean {accuracy_label(sweep)} accuracy of what searches found (%), with 95 % intervals",
        ["metric", "algorithm", *(label(dataset) for dataset in datasets)],
        rows,
        "Bootstrap over runs. Where all runs found the same network there is no spread to speak of.",
    )


def method_ranking(sweep: Sweep) -> Ranking | None:
    """Rank searches over datasets by what they found on average; None with fewer than 3 searches or 2 datasets."""
    datasets = datasets_of(sweep)
    means = {
        (job.metric, job.algo, job.dataset): float(values.mean())
        for job in _in_papers_order(main_jobs(sweep))
        if (values := found_accuracy(job)) is not None
    }
    methods = [
        method
        for method in dict.fromkeys((metric, algo) for metric, algo, _ in means)
        if all((*method, dataset) in means for dataset in datasets)
    ]
    if len(methods) < 3 or len(datasets) < 2:
        return None
    table = np.array([[means[*method, dataset] for method in methods] for dataset in datasets])
    return ranks_over_datasets(table, [f"{label(metric)}, {label(algo)}" for metric, algo in methods])


def rank_table(ranking: Ranking) -> Table:
    """Return average ranks over datasets with Friedman's and Nemenyi's tests."""
    order = np.argsort(ranking.average_rank, kind="stable")
    best = order[0]
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
        f"Friedman: χ² = {ranking.friedman_statistic:.2f}, p = {ranking.friedman_p:.3g}. Average ranks that differ by "
        f"less than {ranking.critical_difference:.2f} are not significantly different (Nemenyi, α = 0.05).",
    )


def anytime_table(sweep: Sweep, evidence: Evidence) -> Table:
    """Return how fast searches get where they get."""
    rows: list[list[Cell]] = []
    for job in _in_papers_order(main_jobs(sweep)):
        accuracy = job.trajectory["test_acc" if accuracy_label(sweep) == "test" else "val_acc"]
        ranked = evidence.ranked.get((job.dataset, job.metric))
        start = known_from(accuracy)
        if ranked is None or start is None:
            continue
        best = float(ranked.score[np.isfinite(ranked.score)].max())
        found = anytime(accuracy[:, start:], job.trajectory["score"][:, start:], best)
        rows.append([
            label(job.dataset), label(job.metric), label(job.algo),
            _interval(found.area), _interval(found.budget, digits=0), _interval(found.best_found),
        ])  # fmt: skip
    return Table(
        "anytime",
        f"How searches proceed ({accuracy_label(sweep)} accuracy of the incumbent)",
        [
            "dataset",
            "metric",
            "algorithm",
            "mean over the search (%)",
            "networks to within 0.5",
            "found the best-scored",
        ],
        rows,
        "Mean over the search: the area under the incumbent's accuracy curve. Networks to within 0.5: after how many "
        "scored networks the mean curve stays within half a point of its end. Found the best-scored: the share of runs "
        "that met the network with the best score of the space. With 95 % intervals.",
    )


def known_from(accuracy: FloatArray) -> int | None:
    """Return the step from which the incumbents of all runs (runs, steps) have an accuracy; None if there is none."""
    known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(accuracy).all(axis=0))
    if not known[-1]:
        return None
    return 0 if known.all() else len(known) - int(np.argmin(known[::-1]))


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
    usual = next(
        (setting for setting in settings if dict(setting) == paper.PAPERS_HYPER_PARAMETERS.get(algo)), settings[0]
    )
    tasks = [(dataset, metric) for dataset in datasets_of(sweep) for metric in metrics_of(sweep)]
    values = {
        (job.hyper_parameters, job.dataset, job.metric): found
        for job in jobs
        if (found := found_accuracy(job)) is not None
    }
    tasks = [task for task in tasks if all((setting, *task) in values for setting in settings)]
    rows: list[tuple[float, list[Cell]]] = []
    for setting in settings:
        differences = [values[setting, *task] - values[usual, *task] for task in tasks]
        against = mean_interval(np.mean(differences, axis=0)) if differences and setting != usual else None
        cells: list[Cell] = [
            Number(float(values[setting, *task].mean()), std=_std(values[setting, *task])) for task in tasks
        ]
        rows.append((
            0.0 if against is None else against.value,
            [_setting(setting, swept), _interval(against, signed=True), *cells],
        ))  # fmt: skip
    best = max(rows, key=lambda row: row[0])[1]
    shown = _interval_text(best[1])
    return Table(
        f"ablation-{algo}",
        f"{label(algo)}: {accuracy_label(sweep)} accuracy (%) by {', '.join(swept)}, mean ± deviation",
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


def accuracy_label(sweep: Sweep) -> str:
    """Return which accuracy the report is about: `test`, or `validation` where no job has a test accuracy."""
    return "test" if all(np.isfinite(job.runs["test_acc"]).any() for job in sweep.jobs) else "validation"


def found_accuracy(job: FinishedJob) -> FloatArray | None:
    """Return the accuracies of what the runs found, shape (runs,): test or else validation; None if unknown."""
    for column in ("test_acc", "val_acc"):
        values = np.asarray(job.runs[column])
        if np.isfinite(values).all():
            return values
    return None


def _in_papers_order(jobs: Sequence[FinishedJob]) -> list[FinishedJob]:
    places = [list(names) for names in (paper.DATASETS, paper.METRICS, paper.ALGOS)]

    def place(job: FinishedJob) -> tuple[int, ...]:
        names = job.dataset, job.metric, job.algo
        return tuple(
            known.index(name) if name in known else len(known) for known, name in zip(places, names, strict=True)
        )

    return sorted(jobs, key=place)


def _mean(summary: dict[str, str | int | float | None], name: str) -> Number | None:
    mean, std = summary.get(f"{name}_mean"), summary.get(f"{name}_std")
    if mean is None:
        return None
    return Number(float(mean), std=None if std is None else float(std))


def _std(values: FloatArray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _interval(interval: Interval | None, *, digits: int = 2, signed: bool = False) -> Number | None:
    if interval is None:
        return None
    return Number(interval.value, digits, interval=(interval.low, interval.high), signed=signed)


def _difference(ours: Interval | None, papers: float | None) -> Number | None:
    return None if ours is None or papers is None else Number(ours.value - papers, signed=True)


def _three(value: float | None) -> Number | None:
    return None if value is None else Number(value, digits=3)


def _p(value: float) -> Number | str:
    return "< 0.001" if value < 0.001 else Number(value, digits=3)
