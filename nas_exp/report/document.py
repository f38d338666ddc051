"""The parts of a report, and the files of a table: CSV for programs, Markdown and LaTeX for people."""

import csv
import io
import math
import numbers
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nas_exp.analysis.intervals import Interval
from nas_exp.storage.files import replacing

UNKNOWN = "–"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_GREEK = {
    letter: (rf"\{name.lower()}" if letter.islower() else rf"\{name.title()}")
    for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
    for name in [unicodedata.name(letter).split()[-1].replace("LAMDA", "LAMBDA")]
}
_MATH = {"±": r"\pm", "×": r"\times", "−": "-", "∞": r"\infty", "≤": r"\le", "≥": r"\ge", "≈": r"\approx", "→": r"\to",
         "<": "<", ">": ">", "|": "|", **_GREEK}  # fmt: skip
_IN_MATH = str.maketrans(_MATH)
_IN_LATEX = str.maketrans(
    {
        **{character: f"${command}$" for character, command in _MATH.items()},
        **{character: rf"\{character}" for character in "%&#$_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "`": r"\textasciigrave{}",
        '"': "''",
        "[": "{[}",  # after the end of a row, a bracket or a star would be read as an option of \\
        "*": "{*}",
    }
)


@dataclass(frozen=True)
class Number:
    """A number as it is shown: `91.36`, `91.36 ± 0.18` with `std`, `0.74 [0.73, 0.75]` with `interval` (low, high).

    NaN means unknown, as the value or beside it. `signed` shows the plus of a positive value, as differences want.
    `best` sets the number in bold.
    """

    value: float
    digits: int = 2
    std: float | None = None
    interval: tuple[float, float] | None = None
    signed: bool = False
    best: bool = False


def of_interval(
    interval: Interval | None, digits: int = 2, *, signed: bool = False, best: bool = False
) -> Number | None:
    """Return an interval as a number that is shown with its bounds; None stays None."""
    if interval is None:
        return None
    return Number(interval.value, digits, interval=(interval.low, interval.high), signed=signed, best=best)


def difference(ours: Interval | Number | None, other: float | None) -> Number | None:
    """Return how much our value is above another one, with its sign; None if either is unknown."""
    return None if ours is None or other is None else Number(ours.value - other, signed=True)


Cell = str | float | int | Number | None
"""Text, a number, or None for what is unknown. A bare float is shown with two digits, an int with none."""


@dataclass(frozen=True)
class Table:
    """A table: `rows` of one cell for each of `columns`, whose first names the row.

    `name` is its files' stem, its LaTeX label and its anchor on the page. `groups` holds the heading above each column,
    "" for none; equal neighbours share theirs.

    Raises:
        ValueError: `name` is no plain file name, or a row or `groups` does not fit `columns`.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    groups: Sequence[str] | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        for cells in self.rows if self.groups is None else (self.groups, *self.rows):
            if len(cells) != len(self.columns):
                raise ValueError(f"table {self.name}: {len(cells)} cells for {len(self.columns)} columns: {cells}")

    @property
    def headings(self) -> list[str]:
        """One heading a column, which names its group too."""
        groups = self.groups or [""] * len(self.columns)
        return [f"{group}: {column}" if group else column for group, column in zip(groups, self.columns, strict=True)]

    @property
    def spans(self) -> list[tuple[str, int]]:
        """The groups from left to right, each with its number of columns; empty without groups."""
        spans: list[tuple[str, int]] = []
        for group in self.groups or ():
            if spans and spans[-1][0] == group:
                spans[-1] = (group, spans[-1][1] + 1)
            else:
                spans.append((group, 1))
        return spans

    @property
    def numeric(self) -> list[bool]:
        """Whether each column has numbers and no text, and is therefore aligned to the right."""
        return [
            any(as_number(row[i]) for row in self.rows) and not any(isinstance(row[i], str) for row in self.rows)
            for i in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Figure:
    """A figure whose file `svg` exists; `alt` describes it for those who cannot see it."""

    name: str
    title: str
    svg: Path
    alt: str
    note: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class Section:
    """A titled run of tables, figures and paragraphs (plain text)."""

    title: str
    parts: Sequence[Table | Figure | str]


def as_number(cell: Cell) -> Number | None:
    """Return a numeric cell as a `Number` without NaNs; None if it is text or unknown."""
    if isinstance(cell, numbers.Integral):  # NumPy's too
        return Number(int(cell), digits=0)
    number = Number(float(cell)) if isinstance(cell, numbers.Real) else cell
    if not isinstance(number, Number) or math.isnan(number.value):
        return None
    std, interval = number.std, number.interval
    return replace(
        number,
        std=None if std is None or math.isnan(std) else std,
        interval=None if interval is None or any(map(math.isnan, interval)) else interval,
    )


def show(cell: Cell) -> str:
    """Return a cell as plain text."""
    if isinstance(cell, str):
        return cell
    number = as_number(cell)
    if number is None:
        return UNKNOWN
    text = _decimal(number.value, number)
    if number.std is not None:
        text += f" ± {_decimal(number.std, replace(number, signed=False))}"
    if number.interval is not None:
        text += f" [{', '.join(_decimal(bound, number) for bound in number.interval)}]"
    return text


def write_table(folder: Path, table: Table) -> None:
    """Write `NAME.csv`, `NAME.md` and `NAME.tex`, each of them whole or not at all.

    Raises:
        ValueError: two columns would have one name in the CSV.
    """
    for suffix, text in ((".csv", to_csv(table)), (".md", to_markdown(table)), (".tex", to_latex(table))):
        with replacing(folder / f"{table.name}{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")


def to_csv(table: Table) -> str:
    """Return the table in full precision: columns `x`, and `x_std`, `x_low`, `x_high` where any row has them."""
    rows = [[_fields(cell) for cell in row] for row in table.rows]
    keys = [
        (i, suffix)
        for i in range(len(table.columns))
        for suffix in ("", "_std", "_low", "_high")
        if not suffix or any(suffix in row[i] for row in rows)
    ]
    header = [table.headings[i] + suffix for i, suffix in keys]
    if len(set(header)) < len(header):
        raise ValueError(f"table {table.name}: two columns have the same name: {header}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row[i].get(suffix, "") for i, suffix in keys] for row in rows)
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, its columns padded so that it can be read as it is."""
    grid = [
        [_markdown(heading) for heading in table.headings],
        *([_markdown_cell(cell) for cell in row] for row in table.rows),
    ]
    widths = [max(3, *map(len, column)) for column in zip(*grid, strict=True)]
    columns = list(zip(widths, table.numeric, strict=True))
    lines = [
        [text.rjust(width) if right else text.ljust(width) for text, (width, right) in zip(row, columns, strict=True)]
        for row in grid
    ]
    lines.insert(1, ["-" * (width - 1) + ":" if right else "-" * width for width, right in columns])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{_markdown(table.title)}**\n\n{body}\n" + (f"\n{_markdown(table.note)}\n" if table.note else "")


def to_latex(table: Table) -> str:
    r"""Return a `table` environment, shrunk to the width of the text if need be; it needs booktabs and graphicx."""
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table}[htbp]",
        r"  \centering",
        rf"  \caption{{{_latex(table.title)}}}",
        rf"  \label{{tab:{table.name}}}",
        r"  \medskip",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{''.join('r' if right else 'l' for right in table.numeric)}}}",
        r"    \toprule",
    ]
    if table.groups:
        above, rules, end = [], [], 0
        for group, width in table.spans:
            start, end = end + 1, end + width
            above.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex(group)}}}")
            if group:
                rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        lines += [rf"    {' & '.join(above)} \\", f"    {' '.join(rules)}"]
    lines += [rf"    {' & '.join(map(_latex, table.columns))} \\", r"    \midrule"]
    lines += [rf"    {' & '.join(map(_latex_cell, row))} \\" for row in table.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}}"]
    if table.note:
        lines += [rf"  \par\smallskip{{\footnotesize {_latex(table.note)}\par}}"]
    return "\n".join([*lines, r"\end{table}", ""])


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a file: letters, digits, dots, dashes and underscores only")


def _decimal(value: float, number: Number) -> str:
    text = f"{float(value):z.{number.digits}f}"  # z: no minus before what is rounded to zero; nor is there a plus
    sign = "+" if number.signed and float(text) > 0 else ""
    return sign + text.replace("-", "−").replace("inf", "∞")


def _fields(cell: Cell) -> dict[str, str | float]:
    number = as_number(cell)
    if number is None:  # a bare carriage return would end the row unquoted
        return {"": cell.replace("\r\n", "\n").replace("\r", "\n") if isinstance(cell, str) else ""}
    low, high = number.interval or (None, None)
    fields = {"": number.value, "_std": number.std, "_low": low, "_high": high}
    return {suffix: value for suffix, value in fields.items() if value is not None}


def is_best(cell: Cell) -> bool:
    """Return whether a cell is a known number that is marked as the best."""
    number = as_number(cell)
    return number is not None and number.best


def _markdown_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _markdown(cell)
    return f"**{show(cell)}**" if is_best(cell) else show(cell)


def _markdown(text: str) -> str:
    """Escape what Markdown would read as markup; an underscore inside a word is none."""
    return re.sub(r"[\\|*`<>&$#~\[\]]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(text.split()))


def _latex(text: str) -> str:
    return re.sub("-(?=-)", "-{}", " ".join(text.split()).translate(_IN_LATEX))


def _latex_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _latex(cell)
    text = show(cell)
    if text == UNKNOWN:
        return "--"
    formula = f"${text.translate(_IN_MATH)}$".replace(" [", r"\ [")
    return rf"{{\boldmath{formula}}}" if is_best(cell) else formula
