"""How figures are drawn: for print, readable when small and in grey, and by the colour-blind."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_exp.report.canvas import import_matplotlib, own_settings
from nas_exp.report.document import Figure
from nas_exp.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito's colours, which the colour-blind tell apart; lines differ in their dashes as well
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)), (0, (3, 2)), "--", ":")

_PIXELS = 5e7
"""Of a figure, which take 4 bytes each, twice; of a larger one the resolution is lower."""

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
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with own_settings(_STYLE):
        dpi = min(200.0, 2**15 / max(size), (_PIXELS / (size[0] * size[1])) ** 0.5)
        canvas = Canvas(figsize=size, dpi=dpi, layout="constrained")
        fill(canvas)
        with replacing(folder / f"{name}.png") as temporary:
            FigureCanvasAgg(canvas).print_png(temporary)
        with replacing(folder / f"{name}.svg") as temporary:
            FigureCanvasSVG(canvas).print_svg(temporary, metadata={"Date": None})
    return Figure(name, title, folder / f"{name}.svg", alt, note)


def legend_handles(grid: "Iterable[Axes]") -> dict[str, Any]:
    """Return what the legends of several axes together would show, by label."""
    handles: dict[str, Any] = {}
    for axes in grid:
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    return handles
