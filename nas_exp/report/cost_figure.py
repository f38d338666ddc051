"""The figure of searches at equal cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_exp.report.document import Figure
from nas_exp.report.equal_cost import EqualCost
from nas_exp.report.evidence import Evidence
from nas_exp.report.figures import COLOURS, DASHES, draw
from nas_exp.report.finished import Sweep
from nas_exp.report.view import label, search_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def cost_figure(folder: Path, sweep: Sweep, evidence: Evidence) -> Figure | None:
    """Draw how good what searches have found is, by what they have cost; None if no two are on one dataset."""
    kind = sweep.accuracy_name
    shown = {dataset: costs for dataset, costs in evidence.equal_cost.items() if len(costs.curves) > 1}
    if not shown:
        return None
    searches = dict.fromkeys(search for costs in shown.values() for search in costs.curves)
    styles: dict[Any, dict[str, Any]] = {
        search: {
            "label": search_label(search),
            "color": COLOURS[number % len(COLOURS)],
            # where there are more searches than colours, those of one colour have other dashes
            "linestyle": DASHES[(number + number // len(COLOURS)) % len(DASHES)],
        }
        for number, search in enumerate(searches)
    }

    def fill(canvas: "Canvas") -> None:
        column = canvas.subplots(len(shown), 1, squeeze=False)[:, 0]
        handles: dict[str, Any] = {}
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
            axes.set_title(label(dataset))
            axes.set_ylabel(f"{kind} accuracy (%)")
            handles |= {text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        axes.set_xlabel("seconds that the scores took")
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
    """Choose what of a panel is seen: with budgets, from a tenth of the smallest on."""
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
