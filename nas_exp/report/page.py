"""The report as one HTML page that needs no network and no other file."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_exp.report.document import Cell, Figure, Section, Table, as_number, is_best, show
from nas_exp.storage.files import replacing


def write_page(
    path: Path, *, title: str, sections: Sequence[Section], facts: Mapping[str, str], commands: Sequence[str]
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the HTML file.
        title: the heading of the page.
        sections: the report, in order.
        facts: what the numbers depend on (versions, seeds), in order.
        commands: the exact commands that make them.

    Raises:
        ValueError: two tables or two figures share a name, which is their anchor.
        OSError: a figure cannot be read.
    """
    # the search path must start fast
    from jinja2 import Environment, PackageLoader, StrictUndefined

    parts = [[_view(part) for part in section.parts] for section in sections]
    anchors = [view["anchor"] for views in parts for view in views if "anchor" in view]
    if len(set(anchors)) < len(anchors):
        raise ValueError(f"two tables or two figures share a name: {sorted(anchors)}")
    environment = Environment(
        loader=PackageLoader("nas_exp", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        title=title,
        sections=[{"title": section.title, "parts": views} for section, views in zip(sections, parts, strict=True)],
        facts=facts,
        commands=commands,
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _view(part: Table | Figure | str) -> dict[str, Any]:
    """Return what the template shows of a part."""
    if isinstance(part, str):
        return {"kind": "paragraph", "text": part}
    view = {"title": part.title, "note": part.note}
    if isinstance(part, Figure):
        # an image of its own keeps the ids that every figure of Matplotlib uses apart
        source = f"data:image/svg+xml;base64,{base64.b64encode(part.svg.read_bytes()).decode()}"
        return {**view, "kind": "figure", "anchor": f"figure-{part.name}", "alt": part.alt, "source": source}
    return {
        **view,
        "kind": "table",
        "anchor": f"table-{part.name}",
        "spans": part.spans,
        "columns": list(zip(part.columns, part.numeric, strict=True)),
        "rows": [[_cell(cell) for cell in row] for row in part.rows],
    }


def _cell(cell: Cell) -> dict[str, str]:
    number = as_number(cell)
    if number is None:
        return {"text": show(cell), "kind": "text" if isinstance(cell, str) else "unknown"}
    kind = "number best" if is_best(cell) else "number"
    return {"text": show(cell), "kind": kind, "value": str(number.value).replace("inf", "Infinity")}
