"""The figures of a report on searches."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.analysis.comparisons import Ranking
from nas_exp.report.document import Figure
from nas_exp.report.drawing import COLOURS, DASHES, draw, legend_handles
from nas_exp.report.equal_cost import EqualCost
from nas_exp.report.evidence import Evidence
from nas_exp.report.sweep import FinishedSweep, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def search_figure(folder: Path, sweep: FinishedSweep) -> Figure | None:
    """Draw the incumbent's accuracy as searches go on; None if no job knows it."""
    kind, jobs, datasets, metrics = sweep.accuracy_name, sweep.main_jobs, sweep.datasets, sweep.metrics
    name, title = sweep.reference.numbered("searches", f"{kind} accuracy of the incumbent as searches go on")
    algos = in_order((algo for _, (_, algo) in jobs), sweep.reference.algos)
    curves = {key: job.trajectory[sweep.accuracy] for key, job in jobs.items()}
    # the first steps may have no incumbent
    steps = {key: np.flatnonzero(np.isfinite(curve).all(axis=0)) for key, curve in curves.items()}
    if not any(len(step) for step in steps.values()):
        return None

    # many algorithms beside each other would be too small to read
    is_tall = len(algos) > 3
    rows, columns = (len(algos), len(datasets)) if is_tall else (len(datasets), len(algos))

    def fill(canvas: "Canvas") -> None:
        shared: Any = {"sharex": "row", "sharey": "col"} if is_tall else {"sharex": "col", "sharey": "row"}
        grid = canvas.subplots(rows, columns, squeeze=False, **shared)
        for axes_row, dataset in zip(grid.T if is_tall else grid, datasets, strict=True):
            final = list[float]()
            for axes, algo in zip(axes_row, algos, strict=True):
                for number, metric in enumerate(metrics):
                    step = steps.get((dataset, (metric, algo)), np.empty(0, dtype=np.int64))
                    if not len(step):
                        continue
                    accuracy = curves[dataset, (metric, algo)][:, step]
                    mean, std = accuracy.mean(axis=0), accuracy.std(axis=0, ddof=min(1, len(accuracy) - 1))
                    style = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
                    axes.plot(step + 1, mean, linewidth=1.3, label=sweep.label(metric), **style)
                    axes.fill_between(step + 1, mean - std, mean + std, color=style["color"], alpha=0.15, linewidth=0)
                    later = slice(len(mean) // 10, None)
                    final += [mean[later].min() - 1.0, (mean + std)[later].max()]
                axes.set_title(f"{sweep.label(dataset)}, {sweep.label(algo).lower()}")
                axes.grid(axis="y", linewidth=0.3, alpha=0.6)
            if final:
                span = max(final) - min(final)
                axes_row[0].set_ylim(max(0.0, min(final) - 0.05 * span), min(100.0, max(final) + 0.08 * span))
        for axes in grid[:, 0]:
            axes.set_ylabel(f"{kind} accuracy (%)")
        for axes in grid[-1]:
            axes.set_xlabel("networks scored")
        handles = legend_handles(grid.flat)
        names = in_order(handles, map(sweep.label, metrics))
        canvas.legend(
            [handles[name] for name in names], names, loc="outside upper center", ncols=len(names), handlelength=3
        )

    return draw(
        folder,
        name,
        fill,
        (3.5 * columns, 0.5 + 2.0 * rows),
        title=title,
        alt=(
            f"Line charts, one for each dataset and algorithm: the mean {kind} accuracy of the best-scored "
            "network so far against the number of networks scored, one line a metric, with its deviation."
        ),
        note=(
            "Mean over runs; the shaded band is one sample deviation to either side. The y axis starts where the "
            "curves are after a tenth of the search."
        ),
    )


def equal_cost_figure(folder: Path, sweep: FinishedSweep, evidence: Evidence) -> Figure | None:
    """Draw the incumbent's accuracy by the seconds spent; None if no two searches are on one dataset."""
    kind = sweep.accuracy_name
    shown = {dataset: costs for dataset, costs in evidence.equal_cost.items() if len(costs.curves) > 1}
    if not shown:
        return None
    searches = dict.fromkeys(search for costs in shown.values() for search in costs.curves)
    styles: dict[Any, dict[str, Any]] = {
        search: {
            "label": sweep.search_label(search),
            "color": COLOURS[number % len(COLOURS)],
            # where there are more searches than colours, those of one colour have other dashes
            "linestyle": DASHES[(number + number // len(COLOURS)) % len(DASHES)],
        }
        for number, search in enumerate(searches)
    }

    def fill(canvas: "Canvas") -> None:
        column = canvas.subplots(len(shown), 1, squeeze=False)[:, 0]
        for axes, (dataset, costs) in zip(column, shown.items(), strict=True):
            for search, curve in costs.curves.items():
                mean, low, high = curve.accuracy
                axes.plot(curve.seconds, mean, drawstyle="steps-post", linewidth=1.3, **styles[search])
                axes.fill_between(
                    curve.seconds, low, high, step="post", color=styles[search]["color"], alpha=0.15, linewidth=0
                )
            if costs.optimum is not None:
                axes.axhline(costs.optimum, color="0.4", linewidth=0.8, linestyle=":", label="best of the space")
            _frame(axes, costs)
            axes.set_title(sweep.label(dataset))
            axes.set_ylabel(f"{kind} accuracy (%)")
        axes.set_xlabel("seconds that the scores took")
        handles = legend_handles(column)
        canvas.legend(handles.values(), handles, loc="outside upper center", ncols=4, handlelength=3)

    return draw(
        folder,
        "equal-cost",
        fill,
        (6.5, 0.8 + 2.2 * len(shown)),
        title=f"Searches at equal cost: {kind} accuracy of the incumbent by seconds spent",
        alt=(
            f"Line charts, one a dataset: the mean {kind} accuracy of the best-scored network so far against the "
            "seconds that the scores took, on a logarithmic axis, one line a search with a band around it."
        ),
        note=(
            "Mean over runs, from where all have found something; the bands are bootstrap 95 % intervals of the mean. "
            "A search that has ended keeps what it has found. Vertical lines, if any, are budgets of the sweep's jobs. "
            "The y axis starts where the curves are after a quarter of the x axis."
        ),
    )


def _frame(axes: "Axes", costs: EqualCost) -> None:
    """Choose the part of a panel that is seen: with budgets, from a tenth of the smallest on."""
    curves = costs.curves.values()
    left, right = (end(curve.seconds[at] for curve in curves) for end, at in ((min, 0), (max, -1)))
    if costs.budgets:
        left = max(left, min(costs.budgets[0].seconds, right) / 10)
    later = left * (right / left) ** 0.25
    values = np.concatenate([curve.accuracy.value[curve.seconds >= later] for curve in curves])
    tops = np.concatenate([curve.accuracy.high[curve.seconds >= later] for curve in curves])
    lowest, highest = values.min(), np.nanmax([*values, *tops, costs.optimum or -np.inf])
    margin = 0.05 * (highest - lowest) or 1.0
    axes.set_xscale("log")
    if left < right:
        axes.set_xlim(left, right)
    axes.set_ylim(lowest - margin, highest + margin)
    axes.grid(axis="y", linewidth=0.3, alpha=0.6)
    for budget in costs.budgets:
        axes.axvline(budget.seconds, color="0.4", linewidth=0.4)


def rank_figure(folder: Path, ranking: Ranking) -> Figure:
    """Draw the critical-difference diagram of searches over datasets."""
    import pandas as pd
    import scikit_posthocs

    names = list(ranking.names)

    def fill(canvas: "Canvas") -> None:
        axes = canvas.subplots()
        scikit_posthocs.critical_difference_diagram(
            dict(zip(names, ranking.average_rank, strict=True)),
            pd.DataFrame(ranking.nemenyi_p, index=names, columns=names),
            ax=axes,
            label_fmt_left="{label} ({rank:.2f}) ",
            label_fmt_right=" ({rank:.2f}) {label}",
            elbow_props={"linewidth": 0.8},
            color_palette=["black"] * len(names),
            crossbar_props={"linewidth": 2.5, "color": COLOURS[1]},
            marker_props={"s": 14, "color": COLOURS[2], "zorder": 3},
        )

    return draw(
        folder,
        "ranks",
        fill,
        (6.5, 0.8 + 0.22 * len(names)),
        title="Average ranks of searches over datasets",
        alt=(
            "Critical-difference diagram: searches on an axis of average rank; bars join those that do not differ "
            "significantly."
        ),
        note=(
            f"1 is best. Bars join searches whose ranks do not differ significantly (Nemenyi, α = 0.05, critical "
            f"difference {ranking.critical_difference:.2f})."
        ),
    )
