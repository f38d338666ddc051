"""The tables of how well metrics rank the space."""

from collections.abc import Sequence

import numpy as np

from nas_exp.analysis.intervals import Interval
from nas_exp.analysis.ranking import K
from nas_exp.report.document import Cell, Number, Table, difference, of_interval
from nas_exp.report.evidence import Evidence
from nas_exp.report.proxies import RankedMetrics
from nas_exp.report.sweep import FinishedSweep


def correlation_tables(sweep: FinishedSweep, evidence: Evidence) -> list[Table]:
    """Return Spearman's rho over the space and over the best-scored, beside the published numbers."""
    tables = []
    for name, title, attribute in (
        ("correlations", "Spearman's ρ between metric and", "rho"),
        ("correlations-top", "the same over the tenth with the best scores; ρ with", "rho_top"),
    ):
        papers = getattr(sweep.reference, attribute)
        parts = ("ours", "paper", "difference") if papers else ("ours",)
        rows: list[list[Cell]] = []
        for dataset in sweep.datasets:
            row: list[Cell] = [sweep.label(dataset)]
            for metric in sweep.metrics:
                ranked, theirs = evidence.ranked.get((dataset, metric)), papers.get((dataset, metric))
                ours = None if ranked is None else getattr(ranked, attribute)
                row += [of_interval(ours), theirs, difference(ours, theirs)][: len(parts)]
            if evidence.ceilings:
                row.append(of_interval(getattr(evidence.ceilings.get(dataset), attribute, None)))
            rows.append(row)
        columns = ["dataset", *parts * len(sweep.metrics)]
        groups = ["", *(sweep.label(metric) for metric in sweep.metrics for _ in parts)]
        note = "In brackets: bootstrap 95 % intervals."
        if evidence.ceilings:
            columns, groups = [*columns, "twins"], [*groups, "noise ceiling"]
            note += (
                " Twins are architectures that compute the same function and were trained separately: their column is "
                "the rank correlation of a predictor that is as good as training an equal network once, over all and "
                "over the tenth that it likes best."
            )
        whole = f"{title} {sweep.accuracy_name} accuracy {sweep.after_training}"
        tables.append(Table(*sweep.reference.numbered(name, whole), columns, rows, note, groups))
    return tables


def quality_table(sweep: FinishedSweep, evidence: Evidence) -> Table:
    """Return ranking quality beyond Spearman's rho."""
    rows: list[list[Cell]] = []
    for dataset in sweep.datasets:
        for metric in sweep.metrics:
            ranked = evidence.ranked.get((dataset, metric))
            if ranked is None:
                continue
            rows.append([
                sweep.label(dataset), sweep.label(metric), of_interval(ranked.tau), of_interval(ranked.tau_top),
                of_interval(ranked.precision[10]), of_interval(ranked.precision[K]),
                of_interval(ranked.ndcg[10], 3), of_interval(ranked.ndcg[K], 3), of_interval(ranked.regret),
            ])  # fmt: skip
    return Table(
        "quality",
        f"How well metrics rank the space by {sweep.accuracy_name} accuracy",
        ["dataset", "metric", "τ", "τ top 10 %", "precision@10", f"precision@{K}", "nDCG@10", f"nDCG@{K}", "regret"],
        rows,
        "τ: Kendall's, with bootstrap 95 % intervals. precision@k: the share of the k best-scored that are among the k "
        "most accurate. nDCG@k: gain is accuracy scaled to 0…1 over the space. regret: points of accuracy between the "
        "best-scored network and the space's best.",
    )


def proxy_table(sweep: FinishedSweep, dataset: str, ranked: RankedMetrics) -> Table:
    """Return all that a sweep of task=correlate says of each metric on a dataset, below the twins of the space."""
    metrics, ceiling = ranked.metrics, ranked.ceiling
    columns: dict[str, list[Cell]] = {
        "ρ": _column(ranked, [metric.quality.rho for metric in metrics]),
        "τ": _column(ranked, [metric.quality.tau for metric in metrics]),
        f"ρ {ranked.top}": _column(ranked, [metric.quality.rho_top for metric in metrics]),
        f"nDCG@{K}": _column(ranked, [metric.quality.ndcg[K] for metric in metrics], digits=3),
        f"precision@{K}": _column(ranked, [metric.quality.precision[K] for metric in metrics]),
        "regret": _column(ranked, [metric.quality.regret for metric in metrics], lower_is_better=True),
        "seconds a network": [_three_figures(metric.seconds) for metric in metrics],
    }
    unlike = ""
    if not all(map(ranked.is_of_all, metrics)):
        columns["architectures"] = [metric.quality.architectures for metric in metrics]
        unlike = f" Of fewer architectures, {K} are a larger share: nDCG, precision and regret do not compare."
    rows = [list(row) for row in zip([metric.name for metric in metrics], *columns.values(), strict=True)]
    about_twins = ""
    if ceiling is not None:
        twins = [of_interval(interval) for interval in (ceiling.rho, ceiling.tau, ceiling.rho_top)]
        rows.insert(0, ["twins", *twins, *[None] * (len(columns) - len(twins))])
        about_twins = (
            "Twins compute the same function and were trained separately: what a metric reaches that is as good as "
            "training an equal network once. "
        )
    return Table(
        f"proxies-{dataset}",
        f"How well metrics rank {sweep.label(dataset)} by {sweep.accuracy_name} accuracy {sweep.after_training}",
        ["metric", *columns],
        rows,
        f"In brackets: bootstrap 95 % intervals. nDCG@{K}: of the {K} best-scored, gain being accuracy scaled to 0…1. "
        f"precision@{K}: the share of them that are among the {K} most accurate. regret: points of accuracy between "
        f"the best-scored network and the best. {about_twins}Bold: the best of those that do not train, among those "
        f"with the most architectures.{unlike}",
    )


def _column(
    ranked: RankedMetrics, intervals: Sequence[Interval], *, digits: int = 2, lower_is_better: bool = False
) -> list[Cell]:
    """Return a number for each metric, the best in bold: of metrics that do not train, with the most architectures."""
    sign = -1 if lower_is_better else 1
    shown = [
        sign * round(interval.value, digits) if metric.input != "benchmark" and ranked.is_of_all(metric) else np.nan
        for metric, interval in zip(ranked.metrics, intervals, strict=True)
    ]
    best = max((value for value in shown if not np.isnan(value)), default=None)
    return [of_interval(interval, digits, best=value == best) for interval, value in zip(intervals, shown, strict=True)]


def _three_figures(seconds: float) -> Number | None:
    if np.isnan(seconds) or seconds <= 0:
        return None
    return Number(seconds, digits=max(0, 2 - int(np.floor(np.log10(seconds)))))
