"""The figures of how well metrics rank: quality against cost, and which metrics agree."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_exp.analysis.agreement import alike_together
from nas_exp.analysis.ceiling import NoiseCeiling
from nas_exp.analysis.intervals import Interval
from nas_exp.analysis.ranking import RankingQuality
from nas_exp.arrays import FloatArray
from nas_exp.report.document import Figure
from nas_exp.report.drawing import COLOURS, draw, legend_handles
from nas_exp.report.placement import place_labels
from nas_exp.report.proxies import RankedMetric, RankedMetrics
from nas_exp.report.sweep import FinishedSweep, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure as Canvas


_KINDS = {  # by what scores come from: marker, colour and words
    "ones": ("s", COLOURS[5], "needs no images"),
    "images": ("o", COLOURS[1], "sees images"),
    "benchmark": ("D", COLOURS[0], "trains"),
}
_OTHER_KIND = ("^", COLOURS[3], "made of other metrics")
_LABEL_SIZE = 6.0  # points
_WRITTEN = 40  # metrics with names in a panel or numbers in a heat map; nobody reads more, and they take minutes
_LARGEST = 30.0  # inches of a heat map
_SMALLEST_REGRET = 0.1  # percentage points; from there down to none the axis is linear


@dataclass(frozen=True)
class _Quality:
    """A row of the figure: what of a metric it shows."""

    title: str
    of: Callable[[RankingQuality], Interval]
    ceiling: Callable[[NoiseCeiling], Interval] | None = None
    is_regret: bool = False


def quality_figure(folder: Path, sweep: FinishedSweep, datasets: Mapping[str, RankedMetrics]) -> Figure:
    """Draw quality against seconds a network: a column for each dataset, a row for each kind of quality."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    first = next(iter(datasets.values()))
    twins = (
        "Grey: the correlation between twins, architectures that compute the same function and were trained "
        "separately, over the space and over the share that they like best themselves. "
    )
    twins = "" if first.ceiling is None else twins
    most = max(len(ranked.metrics) for ranked in datasets.values())
    named = f"Named: {_WRITTEN} metrics, those of the line and the best by ρ. " if most > _WRITTEN else ""
    rows = (
        _Quality(f"ρ with {sweep.accuracy_name} accuracy", lambda quality: quality.rho, lambda ceiling: ceiling.rho),
        _Quality(f"ρ among the {first.top}", lambda quality: quality.rho_top, lambda ceiling: ceiling.rho_top),
        _Quality("regret of the best-scored (points)", lambda quality: quality.regret, is_regret=True),
    )

    def fill(canvas: "Canvas") -> None:
        grid = canvas.subplots(len(rows), len(datasets), squeeze=False, sharex="all", sharey="row")
        for axes_row, quality in zip(grid, rows, strict=True):
            for axes, ranked in zip(axes_row, datasets.values(), strict=True):
                _against_cost(axes, ranked, quality)
            axes_row[0].set_ylabel(quality.title)
            if quality.is_regret:
                _count_regret_down(axes_row[0], datasets.values())
        for axes, dataset in zip(grid[0], datasets, strict=True):
            axes.set_title(sweep.label(dataset))
        for axes in grid[-1]:
            axes.set_xlabel("seconds a network")
        handles = legend_handles(grid.flat)
        names = in_order(handles, [words for _, _, words in (*_KINDS.values(), _OTHER_KIND)])
        columns = min(len(names), 3 * len(datasets))  # no wider than the panels
        canvas.legend([handles[name] for name in names], names, loc="outside upper center", ncols=columns, fontsize=7.5)
        # labels need to know where everything else is
        renderer = FigureCanvasAgg(canvas).get_renderer()
        canvas.draw_without_rendering()
        for axes_row, quality in zip(grid, rows, strict=True):
            for axes, ranked in zip(axes_row, datasets.values(), strict=True):
                _label_points(axes, renderer, ranked, quality)

    return draw(
        folder,
        "cost",
        fill,
        (0.5 + 3.6 * len(datasets), 0.7 + 3.2 * len(rows)),
        title="How well metrics rank, against what a score costs",
        alt=(
            "Scatter plots, a column for each dataset and a row for each of rank correlation over the space, rank "
            "correlation among the best-scored, and regret of the best-scored: one labelled point a metric against "
            "its seconds a network on a logarithmic axis, with a line through those that no other beats."
        ),
        note=(
            "One point a metric, with its bootstrap 95 % interval; up is better everywhere. Hollow: of fewer "
            "architectures than others. Line: the metrics that no other of as many architectures beats in both quality "
            f"and cost. {twins}{named}"
            "Seconds are those of the processor that computed the score tables; val_acc costs what the benchmark says "
            "that training took."
        ),
    )


def _against_cost(axes: "Axes", ranked: RankedMetrics, quality: _Quality) -> None:
    if quality.ceiling is not None and ranked.ceiling is not None:
        band = quality.ceiling(ranked.ceiling)
        axes.axhspan(band.low, band.high, color="0.85", linewidth=0, label="twins")
        axes.axhline(band.value, color="0.5", linewidth=0.8)
    shown = _shown(ranked, quality)
    for metric in shown:
        marker, colour, words = _KINDS.get(metric.input, _OTHER_KIND)
        found = quality.of(metric.quality)
        if np.isfinite([found.low, found.high]).all():
            axes.plot([metric.seconds] * 2, [found.low, found.high], color=colour, alpha=0.5, linewidth=1.2, zorder=2)
        (point,) = axes.plot(
            metric.seconds, found.value, marker, color=colour, markersize=4, markeredgecolor="white",
            markeredgewidth=0.4, linestyle="none", label=words, zorder=4,
        )  # fmt: skip
        if not ranked.is_of_all(metric):
            point.set(markerfacecolor="white", markeredgecolor=colour, markeredgewidth=0.8, label="_sample")
    front = _front(ranked, quality)
    axes.step(
        [metric.seconds for metric in front], [quality.of(metric.quality).value for metric in front], where="post",
        color=COLOURS[2], linewidth=0.9, zorder=3, label="Pareto front",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.grid(linewidth=0.3, alpha=0.5)
    axes.margins(0.12)


def _shown(ranked: RankedMetrics, quality: _Quality) -> list[RankedMetric]:
    """Return the metrics that have a place in a panel."""
    return [metric for metric in ranked.metrics if metric.seconds > 0 and np.isfinite(quality.of(metric.quality).value)]


def _front(ranked: RankedMetrics, quality: _Quality) -> list[RankedMetric]:
    """Return the metrics that no other beats in both quality and cost, cheapest first."""
    from moocore import is_nondominated

    metrics = [metric for metric in _shown(ranked, quality) if ranked.is_of_all(metric)]
    if not metrics:
        return []
    points = np.array([[metric.seconds, quality.of(metric.quality).value] for metric in metrics])
    best = is_nondominated(points, maximise=[False, not quality.is_regret], keep_weakly=True)
    return sorted(
        (metric for metric, kept in zip(metrics, best, strict=True) if kept), key=lambda metric: metric.seconds
    )


def _count_regret_down(axes: "Axes", datasets: Iterable[RankedMetrics]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    found = [metric.quality.regret.value for each in datasets for metric in each.metrics]
    regrets = [regret for regret in found if np.isfinite(regret)]
    lowest, highest = min(regrets, default=0.0), max(regrets, default=0.0)
    axes.set_yscale("symlog", linthresh=_SMALLEST_REGRET)
    axes.set_yticks([0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
    top = lowest / 2 if lowest > _SMALLEST_REGRET else -_SMALLEST_REGRET / 4
    axes.set_ylim(bottom=2 * max(highest, _SMALLEST_REGRET), top=top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _label_points(axes: "Axes", renderer: "RendererBase", ranked: RankedMetrics, quality: _Quality) -> None:
    """Write the name of each metric beside its point, with a line to it where it is further away."""
    from matplotlib.patheffects import withStroke

    metrics = _shown(ranked, quality)
    if len(metrics) > _WRITTEN:
        front = _front(ranked, quality)
        metrics = sorted(metrics, key=lambda metric: metric not in front)[:_WRITTEN]
    if not metrics:
        return
    at = np.array([[metric.seconds, quality.of(metric.quality).value] for metric in metrics])
    texts = [
        axes.annotate(
            metric.name, place, (0, 0), textcoords="offset points", fontsize=_LABEL_SIZE, ha="center", va="center",
            zorder=5, parse_math=False, path_effects=[withStroke(linewidth=1.2, foreground="white")],
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.45", "shrinkA": 0, "shrinkB": 2},
        )
        for metric, place in zip(metrics, at, strict=True)
    ]  # fmt: skip
    points = axes.transData.transform(at)
    boxes = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([[box.width, box.height] for box in boxes])
    assert axes.figure is not None
    pixels = axes.figure.dpi / 72
    frame = np.array(axes.bbox.get_points())
    lines = map(axes.transData.transform, _drawn(ranked, quality))
    curves = np.concatenate([np.linspace(start, end, 50) for start, end in lines])
    centres = place_labels(points, sizes, frame, curves, gap=2 * pixels)
    for text, point, centre, size in zip(texts, points, centres, sizes, strict=True):
        text.set_position((centre - point) / pixels)
        text.set_in_layout(False)
        away = np.maximum(np.abs(centre - point) - size / 2, 0)
        if text.arrow_patch is not None:
            text.arrow_patch.set_visible(bool(np.hypot(*away) > 5 * pixels))


def _drawn(ranked: RankedMetrics, quality: _Quality) -> Iterator[FloatArray]:
    """Yield the ends of the straight lines of a panel: shape (2, 2) each."""
    for metric in _shown(ranked, quality):
        found = quality.of(metric.quality)
        if np.isfinite([found.low, found.high]).all():
            yield np.array([[metric.seconds, found.low], [metric.seconds, found.high]])
    front = [(metric.seconds, quality.of(metric.quality).value) for metric in _front(ranked, quality)]
    yield from (np.array([place, place]) for place in front[:1])
    for (seconds, value), (later, better) in itertools.pairwise(front):
        yield np.array([[seconds, value], [later, value]])
        yield np.array([[later, value], [later, better]])


def agreement_figure(folder: Path, sweep: FinishedSweep, dataset: str, ranked: RankedMetrics) -> Figure:
    """Draw the rank correlation between each two metrics of a dataset, those together that agree; accuracy first."""
    import seaborn

    order = [0, *(1 + place for place in alike_together(ranked.agreement[1:, 1:]))]
    shown = ranked.agreement[np.ix_(order, order)]
    names = [ranked.names[place] for place in order]
    lowest = min(0.0, float(np.nanmin(shown)))
    written = np.vectorize(_in_short)(shown) if len(names) <= _WRITTEN else None
    cell = 0.29 if written is not None else min(0.12, _LARGEST / len(names))

    def fill(canvas: "Canvas") -> None:
        axes = canvas.subplots()
        # given names, seaborn would draw the figure once for each to see whether they overlap
        seaborn.heatmap(
            shown, ax=axes, vmin=lowest, vmax=1, cmap="cividis", square=True, annot=written, fmt="",
            annot_kws={"fontsize": 6.5}, xticklabels=False, yticklabels=False, linewidths=0.4,
            cbar_kws={"label": "Spearman's ρ", "shrink": 0.6},
        )  # fmt: skip
        axes.set_xticks(np.arange(len(names)) + 0.5, names, parse_math=False)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, parse_math=False, va="center")
        axes.axhline(1, color="white", linewidth=2.5)
        axes.axvline(1, color="white", linewidth=2.5)
        axes.tick_params(length=0, labelsize=min(7, 58 * cell))
        axes.tick_params(axis="x", rotation=90)
        axes.tick_params(axis="y", rotation=0)

    side = cell * len(names)
    return draw(
        folder,
        f"agreement-{dataset}",
        fill,
        (1.9 + side, 1.1 + side),
        title=f"How far metrics agree on {sweep.label(dataset)}",
        alt=(
            f"Heat map of Spearman's rho between each two metrics{'' if written is None else ', annotated'}; the first "
            "row and column are trained accuracy, the others are ordered so that metrics that agree stand together."
        ),
        note=(
            "Spearman's ρ between each two metrics over the architectures of which both have a score; first, and set "
            "off: with trained accuracy. The others are in the order of a clustering by average linkage of 1 − ρ."
        ),
    )


def _in_short(correlation: float) -> str:
    """Return a correlation in two digits, without what all have in common."""
    return f"{correlation:.2f}".replace("0.", ".").replace("1.00", "1").replace("-", "−")
