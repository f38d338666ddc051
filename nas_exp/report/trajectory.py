"""The figure of one search job: how good the incumbent is, once trained, as the search goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas_exp.search.run import Run
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart
_COLOURS = {"validation": "#0072B2", "test": "#D55E00"}


def plot_trajectories(path: Path, runs: Sequence[Run], *, title: str) -> None:
    """Write what `draw_trajectories` draws to a PNG file, whole or not at all."""
    figure = draw_trajectories(runs, title=title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def held(steps: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the steps of runs that have so many each, the last of those that end early again and again.

    Shape (runs, longest run).
    """
    return np.minimum(np.arange(max(steps)), np.array(steps)[:, None] - 1)


def draw_trajectories(runs: Sequence[Run], *, title: str) -> "Figure":
    """Draw the mean of the incumbent's accuracies over the runs, with the sample standard deviation as a band.

    Accuracies that the benchmark does not have are left out. Runs that end before the longest keep what they found.
    """
    # pyplot would bring a GUI toolkit along and keep the figure alive
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    steps = held([len(run.val_acc) for run in runs])
    for label, accuracies in (
        ("validation", np.stack([run.val_acc[step] for run, step in zip(runs, steps, strict=True)])),
        ("test", np.stack([run.test_acc[step] for run, step in zip(runs, steps, strict=True)])),
    ):
        known = np.isfinite(accuracies).all(axis=0)
        if not known.any():
            continue
        step = np.flatnonzero(known) + 1
        mean = accuracies[:, known].mean(axis=0)
        std = accuracies[:, known].std(axis=0, ddof=1) if len(runs) > 1 else np.zeros_like(mean)
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
