"""The figures of a report. Each is drawn for print: readable when small and in grey, and by the colour-blind."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas_exp.analysis.comparisons import Ranking
from nas_exp.analysis.ranking import best_scored
from nas_exp.report.document import Figure
from nas_exp.report.evidence import TOP, Evidence
from nas_exp.report.finished import Sweep
from nas_exp.report.paper import numbers as paper
from nas_exp.report.similarity import QUANTILES, Similarity
from nas_exp.report.view import datasets_of, known_order, label, main_jobs, metrics_of
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito's colours, which the colour-blind tell apart; lines differ in their dashes as well
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)), (0, (3, 2)), "--", ":")

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "nas-exp",  # ids, and so the files, are the same each time
}


def draw(
    folder: Path,
    name: str,
    fill: Callable[["Canvas"], None],
    size: tuple[float, float],
    *,
    title: str,
    alt: str,
    note: str,
) -> Figure:
    """Draw a figure into `NAME.png` and `NAME.svg`.

    Args:
        folder: where the files go.
        name: their stem.
        fill: draws into an empty figure.
        size: width and height in inches.
        title: the caption's first words.
        alt: what the figure shows, for those who cannot see it.
        note: the rest of the caption.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=size, dpi=200, layout="constrained")
        fill(canvas)
        with replacing(folder / f"{name}.png") as temporary:
            FigureCanvasAgg(canvas).print_png(temporary)
        with replacing(folder / f"{name}.svg") as temporary:
            FigureCanvasSVG(canvas).print_svg(temporary, metadata={"Date": None})
    return Figure(name, title, folder / f"{name}.svg", alt, note)


def search_figure(folder: Path, sweep: Sweep) -> Figure | None:
    """Draw the paper's Figure 2: the incumbent's accuracy as searches go on; None if no job knows it."""
    kind, jobs, datasets, metrics = sweep.accuracy_name, main_jobs(sweep), datasets_of(sweep), metrics_of(sweep)
    algos = known_order((algo for _, (_, algo) in jobs), paper.ALGOS)
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
                    axes.plot(step + 1, mean, linewidth=1.3, label=label(metric), **style)
                    axes.fill_between(step + 1, mean - std, mean + std, color=style["color"], alpha=0.15, linewidth=0)
                    later = slice(len(mean) // 10, None)
                    final += [mean[later].min() - 1.0, (mean + std)[later].max()]
                axes.set_title(f"{label(dataset)}, {label(algo).lower()}")
                axes.grid(axis="y", linewidth=0.3, alpha=0.6)
            if final:
                span = max(final) - min(final)
                axes_row[0].set_ylim(max(0.0, min(final) - 0.05 * span), min(100.0, max(final) + 0.08 * span))
        for axes in grid[:, 0]:
            axes.set_ylabel(f"{kind} accuracy (%)")
        for axes in grid[-1]:
            axes.set_xlabel("networks scored")
        handles: dict[str, Any] = {}
        for axes in grid.flat:
            handles |= {text: line for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        names = known_order(handles, map(label, metrics))
        canvas.legend(
            [handles[name] for name in names], names, loc="outside upper center", ncols=len(names), handlelength=3
        )

    return draw(
        folder,
        "figure-2",
        fill,
        (3.5 * columns, 0.5 + 2.0 * rows),
        title=f"Figure 2: {kind} accuracy of the incumbent as searches go on",
        alt=(
            f"Line charts, one for each dataset and algorithm: the mean {kind} accuracy of the best-scored "
            "network so far against the number of networks scored, one line a metric, with its deviation."
        ),
        note=(
            "Mean over runs; the shaded band is one sample deviation to either side. The y axis starts where the "
            "curves are after a tenth of the search."
        ),
    )


def scatter_figure(folder: Path, sweep: Sweep, evidence: Evidence) -> Figure:
    """Draw score against accuracy for every metric and dataset."""
    metrics, datasets = _ranked_metrics(sweep, evidence), datasets_of(sweep)

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(len(datasets), len(metrics), squeeze=False)
        for axes_row, dataset in zip(grid, datasets, strict=True):
            for axes, metric in zip(axes_row, metrics, strict=True):
                ranked = evidence.ranked.get((dataset, metric))
                if ranked is None:
                    axes.set_axis_off()
                    continue
                shown, is_log = readable(ranked.score)
                best = np.zeros_like(shown)
                best[best_scored(ranked.score, TOP)] = True
                for part, colour, alpha in ((shown & ~best, COLOURS[1], 0.25), (shown & best, COLOURS[2], 0.4)):
                    axes.plot(
                        ranked.score[part], ranked.accuracy[part], ".", color=colour, alpha=alpha,
                        markersize=1.0, markeredgewidth=0, rasterized=True,
                    )  # fmt: skip
                axes.axhline(ranked.optimum, color=COLOURS[0], linewidth=0.6, linestyle=":")
                if is_log:
                    axes.set_xscale("log")
                ceiling = evidence.ceilings.get(dataset)
                twins = "" if ceiling is None else f" (twins {ceiling.tau.value:.2f})"
                axes.set_title(f"τ = {ranked.tau.value:.2f}{twins}", fontsize=7.5)
                if dataset == datasets[-1]:
                    axes.set_xlabel(label(metric))
            axes_row[0].set_ylabel(f"{label(dataset)}\n{sweep.accuracy_name} accuracy (%)")

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
            "accuracy in the space. Twins: the τ of architectures that compute the same function and were "
            "trained separately. Scores over many magnitudes are on a logarithmic axis."
        ),
    )


def readable(score: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], bool]:
    """Return which scores can be drawn, shape (n,), and whether they need a logarithmic axis."""
    finite = np.isfinite(score)
    positive = score[finite & (score > 0)]
    is_log = len(positive) > 0 and bool(np.percentile(positive, 99) > 20 * np.percentile(positive, 10))
    return (finite & (score > 0) if is_log else finite), is_log


def _ranked_metrics(sweep: Sweep, evidence: Evidence) -> list[str]:
    return [metric for metric in metrics_of(sweep) if any(key[1] == metric for key in evidence.ranked)]


def ceiling_figure(folder: Path, sweep: Sweep, evidence: Evidence) -> Figure:
    """Draw the rank correlations of all metrics, over the space and its head, with those of twins."""
    metrics, datasets = _ranked_metrics(sweep, evidence), datasets_of(sweep)

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(1, 2, sharey=True)
        for axes, attribute, title in zip(
            grid, ("rho", "rho_top"), ("over the space", "over the best-scored tenth"), strict=True
        ):
            _bars(axes, evidence, datasets, metrics, attribute)
            axes.set_title(title)
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set_xticks(range(len(datasets)), [label(dataset) for dataset in datasets])
        grid[0].set_ylabel(f"Spearman's ρ with {sweep.accuracy_name} accuracy")
        handles, labels = grid[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper center", ncols=len(labels))

    return draw(
        folder,
        "ceiling",
        fill,
        (7.0, 3.2),
        title="Rank correlation of every metric, and the noise ceiling",
        alt=(
            "Dot plots with error bars of Spearman's rho by dataset and metric, over the space and over the "
            "best-scored tenth, each dataset with a grey band that marks the rank correlation between twins."
        ),
        note=(
            "Dots: Spearman's ρ with bootstrap 95 % intervals; diamonds: the paper's. Grey bands: the correlation "
            "between twins, architectures that compute the same function and were trained separately, each band over "
            "the tenth that it likes best itself: what a predictor reaches that is as good as training an equal "
            "network once. val_acc sees part of the very training run and may pass it."
        ),
    )


def _bars(axes: "Axes", evidence: Evidence, datasets: list[str], metrics: list[str], attribute: str) -> None:
    papers = paper.SPEARMAN if attribute == "rho" else paper.SPEARMAN_TOP
    width = 0.7 / max(1, len(metrics))
    for place, dataset in enumerate(datasets):
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
                elinewidth=1, capsize=2, label=label(metric) if place == 0 else None,
            )  # fmt: skip
            if (dataset, metric) in papers:
                axes.plot(x, papers[dataset, metric], "D", markersize=5.5, markerfacecolor="none", markeredgewidth=0.7,
                          color=COLOURS[number % len(COLOURS)])  # fmt: skip


def similarity_figure(folder: Path, similarities: Mapping[str, Sequence[Similarity]]) -> Figure:
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
            axes_row[0].set_ylabel(label(dataset))
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
            "columns are the images, sorted by class. In the titles: accuracy after 200 epochs, and the ReLU score "
            "s = log|K_H|. From left to right: the architectures at "
            f"{', '.join(f'{share:.0%}' for share in QUANTILES[:-1])} of the space's accuracies, and its best."
        ),
    )


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
