"""The figures of how well metrics rank the space, from a sweep of searches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_exp.analysis.ranking import best_scored
from nas_exp.arrays import BoolArray, FloatArray
from nas_exp.report.document import Figure
from nas_exp.report.drawing import COLOURS, draw
from nas_exp.report.evidence import TOP, Evidence
from nas_exp.report.similarity import QUANTILES, Similarity
from nas_exp.report.sweep import FinishedSweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def scatter_figure(folder: Path, sweep: FinishedSweep, evidence: Evidence) -> Figure:
    """Draw score against accuracy for every metric and dataset."""
    metrics, datasets = _ranked_metrics(sweep, evidence), sweep.datasets
    twins = "Twins: the τ of architectures that compute the same function and were trained separately. "
    twins = twins if evidence.ceilings else ""

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(len(datasets), len(metrics), squeeze=False)
        for axes_row, dataset in zip(grid, datasets, strict=True):
            for axes, metric in zip(axes_row, metrics, strict=True):
                if (dataset, metric) not in evidence.scored:
                    axes.set_axis_off()
                    continue
                score, accuracy = evidence.scored[dataset, metric]
                shown, is_log = readable(score)
                best = np.zeros_like(shown)
                best[best_scored(score, TOP)] = True
                for part, colour, alpha in ((shown & ~best, COLOURS[1], 0.25), (shown & best, COLOURS[2], 0.4)):
                    axes.plot(
                        score[part], accuracy[part], ".", color=colour, alpha=alpha,
                        markersize=1.0, markeredgewidth=0, rasterized=True,
                    )  # fmt: skip
                axes.axhline(accuracy.max(), color=COLOURS[0], linewidth=0.6, linestyle=":")
                if is_log:
                    axes.set_xscale("log")
                ceiling = evidence.ceilings.get(dataset)
                beside = "" if ceiling is None else f" (twins {ceiling.tau.value:.2f})"
                axes.set_title(f"τ = {evidence.ranked[dataset, metric].tau.value:.2f}{beside}", fontsize=7.5)
                if dataset == datasets[-1]:
                    axes.set_xlabel(sweep.label(metric))
            axes_row[0].set_ylabel(f"{sweep.label(dataset)}\n{sweep.accuracy_name} accuracy (%)")

    return draw(
        folder,
        "scores",
        fill,
        (2.1 * len(metrics), 0.2 + 1.9 * len(datasets)),
        title=f"Score against {sweep.accuracy_name} accuracy, Kendall's τ in the titles",
        alt=(
            "Scatter plots of every architecture of the space: score on the x axis, trained accuracy on the y axis; "
            "the tenth with the best scores is orange. A column for each metric, a row for each dataset."
        ),
        note=(
            "One point an architecture with a finite score; orange: the tenth with the best scores; dotted: the best "
            f"accuracy in the space. {twins}Scores over many magnitudes are on a logarithmic axis."
        ),
    )


def readable(score: FloatArray) -> tuple[BoolArray, bool]:
    """Return which scores can be drawn, shape (n,), and whether they need a logarithmic axis."""
    finite = np.isfinite(score)
    positive = score[finite & (score > 0)]
    is_log = len(positive) > 0 and bool(np.percentile(positive, 99) > 20 * np.percentile(positive, 10))
    return (finite & (score > 0) if is_log else finite), is_log


def _ranked_metrics(sweep: FinishedSweep, evidence: Evidence) -> list[str]:
    return [metric for metric in sweep.metrics if any(key[1] == metric for key in evidence.ranked)]


def ceiling_figure(folder: Path, sweep: FinishedSweep, evidence: Evidence) -> Figure:
    """Draw the rank correlations of all metrics, over the space and its best-scored tenth, with those of twins."""
    metrics, datasets = _ranked_metrics(sweep, evidence), sweep.datasets
    published = "; diamonds: the paper's" if sweep.reference.rho else ""
    twins = (
        " Grey bands: the correlation between twins, architectures that compute the same function and were trained "
        "separately, each band over the tenth that it likes best itself: what a predictor reaches that is as good as "
        "training an equal network once. val_acc sees part of the very training run and may pass it."
    )

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(1, 2, sharey=True)
        for axes, attribute, title in zip(
            grid, ("rho", "rho_top"), ("over the space", "over the best-scored tenth"), strict=True
        ):
            _dots(axes, sweep, evidence, metrics, attribute)
            axes.set_title(title)
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set_xticks(range(len(datasets)), [sweep.label(dataset) for dataset in datasets])
        grid[0].set_ylabel(f"Spearman's ρ with {sweep.accuracy_name} accuracy")
        handles, labels = grid[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper center", ncols=len(labels))

    return draw(
        folder,
        "ceiling",
        fill,
        (7.0, 3.2),
        title=f"Rank correlation of every metric{', and the noise ceiling' if evidence.ceilings else ''}",
        alt=(
            "Dot plots with error bars of Spearman's rho by dataset and metric, over the space and over the "
            "best-scored tenth"
            f"{'; a grey band marks the rank correlation between twins' if evidence.ceilings else ''}."
        ),
        note=f"Dots: Spearman's ρ with bootstrap 95 % intervals{published}.{twins if evidence.ceilings else ''}",
    )


def _dots(axes: "Axes", sweep: FinishedSweep, evidence: Evidence, metrics: list[str], attribute: str) -> None:
    """Draw the correlations named `attribute` of all metrics and twins, with the published ones."""
    published = getattr(sweep.reference, attribute)
    width = 0.7 / max(1, len(metrics))
    for place, dataset in enumerate(sweep.datasets):
        ceiling = evidence.ceilings.get(dataset)
        if ceiling is not None:
            band = getattr(ceiling, attribute)
            axes.fill_between(
                [place - 0.42, place + 0.42], band.low, band.high, color="0.75", linewidth=0,
                label="twins" if place == 0 else None,
            )  # fmt: skip
            axes.plot([place - 0.42, place + 0.42], [band.value] * 2, color="0.4", linewidth=0.8)
        for number, metric in enumerate(metrics):
            ranked = evidence.ranked.get((dataset, metric))
            if ranked is None:
                continue
            found = getattr(ranked, attribute)
            x = place + (number - (len(metrics) - 1) / 2) * width
            spread = [[max(0, found.value - found.low)], [max(0, found.high - found.value)]]
            axes.errorbar(
                x, found.value, yerr=spread, fmt="o", markersize=3.5, color=COLOURS[number % len(COLOURS)],
                elinewidth=1, capsize=2, label=sweep.label(metric) if place == 0 else None,
            )  # fmt: skip
            if (dataset, metric) in published:
                axes.plot(
                    x, published[dataset, metric], "D", markersize=5.5, markerfacecolor="none", markeredgewidth=0.7,
                    color=COLOURS[number % len(COLOURS)],
                )  # fmt: skip


def similarity_figure(folder: Path, sweep: FinishedSweep, similarities: Mapping[str, Sequence[Similarity]]) -> Figure:
    """Draw K_H of architectures from bad to best, a row for each dataset."""
    import seaborn

    lowest = min(float(shown.kernel.min()) for row in similarities.values() for shown in row)
    columns = max(map(len, similarities.values()))

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(len(similarities), columns, squeeze=False)
        for axes_row, (dataset, row) in zip(grid, similarities.items(), strict=True):
            for axes, shown in zip(axes_row, row, strict=True):
                seaborn.heatmap(
                    shown.kernel, ax=axes, vmin=lowest, vmax=1, cmap="viridis", square=True, cbar=False,
                    xticklabels=False, yticklabels=False, rasterized=True,
                )  # fmt: skip
                axes.set_title(f"{shown.accuracy:.1f} %, s = {shown.score:.0f}".replace("-inf", "−∞"), fontsize=7.5)
            axes_row[0].set_ylabel(sweep.label(dataset))
        canvas.colorbar(
            grid[0, 0].collections[0],
            ax=grid,
            shrink=min(1.0, 1.6 / len(similarities)),
            label="share of ReLU units that agree",
        )

    return draw(
        folder,
        "similarity",
        fill,
        (1.75 * columns + 0.8, 0.2 + 1.85 * len(similarities)),
        title="How alike the images of a mini-batch look to untrained networks: K_H",
        alt=(
            "Heat maps, a row for each dataset: for every pair of images in a mini-batch the share of ReLU units on "
            "which they agree, for four architectures from inaccurate on the left to the most accurate on the right."
        ),
        note=(
            "Each panel is the matrix K_H of an untrained network, divided by its number of ReLU units; rows and "
            f"columns are the images, sorted by class. In the titles: accuracy {sweep.after_training}, and the ReLU "
            "score s = log|K_H|. From left to right: the architectures at "
            f"{', '.join(f'{share:.0%}' for share in QUANTILES[:-1])} of the space's accuracies, and its best."
        ),
    )
