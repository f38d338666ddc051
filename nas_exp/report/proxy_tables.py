"""The table of how well metrics rank."""

from collections.abc import Sequence

import numpy as np

from nas_exp.analysis.intervals import Interval
from nas_exp.report.document import Cell, Number, Table
from nas_exp.report.proxies import Comparison
from nas_exp.report.view import label


def proxy_table(dataset: str, comparison: Comparison, *, accuracy_name: str) -> Table:
    """Return all that is said of each metric on a dataset, the best ranking first, below what twins reach."""
    proxies, ceiling = comparison.proxies, comparison.ceiling
    columns: dict[str, list[Cell]] = {
        "ρ": _cells([proxy.rho for proxy in proxies], comparison, ceiling.rho),
        "τ": _cells([proxy.tau for proxy in proxies], comparison, ceiling.tau),
        f"ρ {comparison.top}": _cells([proxy.rho_top for proxy in proxies], comparison, ceiling.rho_top),
        "nDCG@100": _cells([proxy.ndcg for proxy in proxies], comparison, None, digits=3),
        "precision@100": _cells([proxy.precision for proxy in proxies], comparison, None),
        "regret": _cells([proxy.regret for proxy in proxies], comparison, None, lower_is_better=True),
        "seconds a network": [None, *(_three_figures(proxy.seconds) for proxy in proxies)],
    }
    unlike = ""
    if not all(map(comparison.is_of_all, proxies)):
        columns["architectures"] = [None, *(proxy.architectures for proxy in proxies)]
        unlike = " Of fewer architectures, 100 are a larger share: nDCG, precision and regret do not compare."
    names: list[Cell] = ["twins", *(proxy.name for proxy in proxies)]
    return Table(
        f"proxies-{dataset}",
        f"How well metrics rank {label(dataset)} by {accuracy_name} accuracy after 200 epochs",
        ["metric", *columns],
        list(zip(names, *columns.values(), strict=True)),
        "In brackets: bootstrap 95 % intervals. nDCG@100: of the 100 best-scored, gain being accuracy scaled to 0…1. "
        "precision@100: the share of them that are among the 100 most accurate. regret: points of accuracy between the "
        "best-scored network and the best. Twins compute the same function and were trained separately: "
        "what a metric reaches that is as good as training an equal network once. Bold: the best of those that do not "
        f"train, among those with the most architectures.{unlike}",
    )


def _cells(
    values: Sequence[Interval | float],
    comparison: Comparison,
    ceiling: Interval | None,
    *,
    digits: int = 2,
    lower_is_better: bool = False,
) -> list[Cell]:
    """Return a column: that of twins, then a number for each metric; in bold what is best of what can be."""
    competes = [proxy.input != "benchmark" and comparison.is_of_all(proxy) for proxy in comparison.proxies]
    intervals = [value if isinstance(value, Interval) else Interval(value, np.nan, np.nan) for value in values]
    sign = -1 if lower_is_better else 1
    compared = [
        sign * round(interval.value, digits)
        for interval, is_compared in zip(intervals, competes, strict=True)
        if is_compared and not np.isnan(interval.value)
    ]
    cells: list[Cell] = [None if ceiling is None else _cell(ceiling, digits)]
    for interval, is_compared in zip(intervals, competes, strict=True):
        is_best = is_compared and sign * round(interval.value, digits) == max(compared, default=None)
        cells.append(_cell(interval, digits, best=is_best))
    return cells


def _cell(interval: Interval, digits: int, *, best: bool = False) -> Number:
    return Number(interval.value, digits, interval=(interval.low, interval.high), best=best)


def _three_figures(seconds: float) -> Number | None:
    if np.isnan(seconds) or seconds <= 0:
        return None
    return Number(seconds, digits=max(0, 2 - int(np.floor(np.log10(seconds)))))
