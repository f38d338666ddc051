"""The figure of a search for high scores and low costs: the Pareto fronts of its runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas_exp.search.results import Front
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart
_SCORE, _ACCURACY = "#009E73", "#0072B2"
UNITS = {"params": "parameters (millions)", "flops": "multiply-adds (millions)", "latency": "latency (seconds)"}
"""What the costs are, by name."""


def plot_fronts(path: Path, fronts: Sequence[Front], *, cost: str, metric: str, title: str) -> None:
    """Write what `draw_fronts` draws to a PNG file, whole or not at all."""
    figure = draw_fronts(fronts, cost=cost, metric=metric, title=title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def draw_fronts(fronts: Sequence[Front], *, cost: str, metric: str, title: str) -> "Figure":
    """Draw the front of each run twice: by the score that the search went by, and by accuracy after 200 epochs.

    The accuracy is the test accuracy, or the validation accuracy where a network of a front has none.
    """
    # pyplot would bring a GUI toolkit along and keep the figure alive
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.0), dpi=150, layout="constrained")
    by_score, by_accuracy = figure.subplots(1, 2, sharex=True)
    is_tested = all(front.is_tested for front in fronts)
    for front in fronts:
        by_score.step(front.cost, front.score, where="post", color=_SCORE, alpha=0.4, linewidth=1.0)
        by_score.plot(front.cost, front.score, "o", color=_SCORE, alpha=0.4, markersize=3)
        accuracy = front.test_acc if is_tested else front.val_acc
        by_accuracy.plot(front.cost, accuracy, "o", color=_ACCURACY, alpha=0.4, markersize=3)
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
