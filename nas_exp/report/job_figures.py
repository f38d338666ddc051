"""The figures of one search job: the incumbent as the search goes on, and the Pareto fronts of runs."""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas_exp.analysis.curves import mean_and_std
from nas_exp.arrays import FloatArray
from nas_exp.errors import describe
from nas_exp.report.canvas import own_settings
from nas_exp.search.results import Front
from nas_exp.search.run import Run
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

# Okabe and Ito's colours, which the colour-blind tell apart
_COLOURS = {"validation": "#0072B2", "test": "#D55E00", "score": "#009E73"}
UNITS = {"params": "parameters (millions)", "flops": "multiply-adds (millions)", "latency": "latency (seconds)"}
"""What the costs are, by name."""


def _write(path: Path, draw: Callable[[], "Figure"]) -> None:
    """Write a figure to a PNG file. One that cannot be drawn is told, and costs no result."""
    image = io.BytesIO()
    try:
        with own_settings():
            draw().savefig(image, format="png")
    except Exception as error:
        log.warning("%s: is not drawn: %s", path, describe(error))
        return
    with replacing(path) as temporary:
        temporary.write_bytes(image.getvalue())


def draw_trajectories(runs: Sequence[Run], *, title: str) -> "Figure":
    """Draw the mean of the incumbent's accuracies over the runs, with the sample standard deviation as a band.

    Accuracies that the benchmark does not have are left out. Runs that end before the longest keep what they found.
    """
    return _draw({"validation": [run.val_acc for run in runs], "test": [run.test_acc for run in runs]}, title)


def plot_trajectories(path: Path, curves: Mapping[str, Sequence[FloatArray]], *, title: str) -> None:
    """Write what `draw_trajectories` draws to a PNG file, whole or not at all.

    Args:
        path: the file.
        curves: of each kind of accuracy, that of the incumbent in every run. One run is looked at at a time.
        title: above the figure.
    """
    _write(path, lambda: _draw(curves, title))


def _draw(curves: Mapping[str, Sequence[FloatArray]], title: str) -> "Figure":
    # pyplot would bring a GUI toolkit along and keep the figure alive
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for label, accuracies in curves.items():
        mean, std = mean_and_std(accuracies)
        known = np.flatnonzero(np.isfinite(mean))
        if not len(known):
            continue
        step, mean, std = known + 1, mean[known], std[known]
        axes.plot(step, mean, color=_COLOURS[label], label=f"{label} accuracy", linewidth=1.5)
        axes.fill_between(step, mean - std, mean + std, color=_COLOURS[label], alpha=0.2, linewidth=0)
    if axes.lines:
        axes.legend(loc="lower right", frameon=False)
    else:
        axes.text(0.5, 0.5, "the benchmark has no accuracies\nof these architectures", transform=axes.transAxes,
                  ha="center", va="center")  # fmt: skip
    axes.set_title(title)
    axes.set_xlabel("architectures scored")
    axes.set_ylabel("accuracy of the incumbent (%), mean ± std")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_fronts(path: Path, fronts: Sequence[Front], *, cost: str, metric: str, title: str) -> None:
    """Write what `draw_fronts` draws to a PNG file, whole or not at all."""
    _write(path, lambda: draw_fronts(fronts, cost=cost, metric=metric, title=title))


def draw_fronts(fronts: Sequence[Front], *, cost: str, metric: str, title: str) -> "Figure":
    """Draw the front of each run twice: by the score that the search went by, and by trained accuracy.

    The accuracy is the test accuracy, or the validation accuracy where a network of a front has none.
    """
    # pyplot would bring a GUI toolkit along and keep the figure alive
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.0), dpi=150, layout="constrained")
    by_score, by_accuracy = figure.subplots(1, 2, sharex=True)
    is_tested = all(front.is_tested for front in fronts)
    for front in fronts:
        by_score.step(front.cost, front.score, where="post", color=_COLOURS["score"], alpha=0.4, linewidth=1.0)
        by_score.plot(front.cost, front.score, "o", color=_COLOURS["score"], alpha=0.4, markersize=3)
        accuracy = front.test_acc if is_tested else front.val_acc
        by_accuracy.plot(front.cost, accuracy, "o", color=_COLOURS["validation"], alpha=0.4, markersize=3)
    scores = [value for front in fronts for value in front.score.tolist()]
    if scores and min(scores) > 0 and max(scores) > 1000 * min(scores):
        by_score.set_yscale("log")
    by_score.set_ylabel(metric)
    by_accuracy.set_ylabel(f"{'test' if is_tested else 'validation'} accuracy (%)")
    for axes in (by_score, by_accuracy):
        axes.set_xlabel(UNITS[cost])
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure
