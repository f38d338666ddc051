import csv
import html
import io
import math
import re
import shutil
import string
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nas_exp.report.document import Cell, Figure, Number, Table, show, to_csv, to_latex, to_markdown, write_table

SMALL = Table(
    "table_3",
    "Search on CIFAR-10: ρ & τ",
    ["metric", "time (s)", "test", "time (s)", "test"],
    [
        ["val_acc", 147867.9, Number(91.1123, std=0.22), 186277, None],
        ["grad|norm", Number(84.96, 1), Number(-0.004, signed=True), None, Number(0.7417, 3, interval=(0.73, 0.75))],
    ],
    note="30 runs, mean ± std.",
    groups=["", "Random Search", "Random Search", "Evolutionary", "Evolutionary"],
)
HOSTILE = [
    "<script>alert('x')</script>",
    "a_b%&#$",
    r"\input{/etc/passwd} \\ {x} ~ ^ `q` \"d\"",
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|",
    "[1, 2, 3, 2, 0, 1]",
    "*emphasis* _emphasis_ **strong** ![image](x) &amp;",
    "two\n\nparagraphs",
    "--flag ---- ρ τ Δ × ± − ≤ ≥ ≈ → ∞ é",
    string.punctuation,
]


def hostile_table() -> Table:
    rows: list[list[Cell]] = [[text, text, 1.0] for text in HOSTILE]
    return Table("hostile", HOSTILE[0], HOSTILE[1:4], rows, note=HOSTILE[1], groups=["", *HOSTILE[:2]])


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("text", "text"),
        (None, "–"),
        (math.nan, "–"),
        (Number(math.nan, std=1.0), "–"),
        (15625, "15625"),
        (91.358, "91.36"),
        (np.float32(0.5), "0.50"),
        (np.int64(7), "7"),
        (Number(91.358, 1), "91.4"),
        (Number(91.36, std=0.18), "91.36 ± 0.18"),
        (Number(91.36, std=math.nan, interval=(math.nan, 92.0)), "91.36"),
        (Number(0.74, interval=(0.73, 0.75)), "0.74 [0.73, 0.75]"),
        (Number(-0.5, signed=True), "−0.50"),
        (Number(0.5, signed=True, std=0.1, interval=(-0.2, 1.2)), "+0.50 ± 0.10 [−0.20, +1.20]"),
        (Number(0.004, signed=True), "0.00"),
        (-0.004, "0.00"),
        (-math.inf, "−∞"),
    ],
)
def test_a_cell_is_shown_with_its_digits(cell: Cell, shown: str) -> None:
    assert show(cell) == shown


def test_csv_has_full_precision_and_a_column_for_each_thing_that_a_cell_holds() -> None:
    assert to_csv(SMALL) == (
        "metric,Random Search: time (s),Random Search: test,Random Search: test_std,"
        "Evolutionary: time (s),Evolutionary: test,Evolutionary: test_low,Evolutionary: test_high\n"
        "val_acc,147867.9,91.1123,0.22,186277,,,\n"
        "grad|norm,84.96,-0.004,,,0.7417,0.73,0.75\n"
    )


def test_markdown() -> None:
    assert to_markdown(SMALL) == (
        r"""**Search on CIFAR-10: ρ \& τ**

| metric     | Random Search: time (s) | Random Search: test | Evolutionary: time (s) |   Evolutionary: test |
| ---------- | ----------------------: | ------------------: | ---------------------: | -------------------: |
| val_acc    |               147867.90 |        91.11 ± 0.22 |                 186277 |                    – |
| grad\|norm |                    85.0 |                0.00 |                      – | 0.742 [0.730, 0.750] |

30 runs, mean ± std.
"""
    )


def test_latex() -> None:
    assert to_latex(SMALL) == (
        r"""% needs \usepackage{booktabs,graphicx}
\begin{table}[htbp]
  \centering
  \caption{Search on CIFAR-10: $\rho$ \& $\tau$}
  \label{tab:table_3}
  \medskip
  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
  \begin{tabular}{lrrrr}
    \toprule
    \multicolumn{1}{c}{} & \multicolumn{2}{c}{Random Search} & \multicolumn{2}{c}{Evolutionary} \\
    \cmidrule(lr){2-3} \cmidrule(lr){4-5}
    metric & time (s) & test & time (s) & test \\
    \midrule
    val\_acc & $147867.90$ & $91.11 \pm 0.22$ & $186277$ & -- \\
    grad$|$norm & $85.0$ & $0.00$ & -- & $0.742\ [0.730, 0.750]$ \\
    \bottomrule
  \end{tabular}}
  \par\smallskip{\footnotesize 30 runs, mean $\pm$ std.\par}
\end{table}
"""
    )


def test_what_is_best_is_bold_and_what_is_unknown_is_not() -> None:
    best = Number(0.5, interval=(0.25, 1.0), best=True)
    table = Table("best", "Best", ["metric", "ρ"], [["relu", best], ["zen", Number(math.nan, best=True)]])
    assert "| **0.50 [0.25, 1.00]** |" in to_markdown(table)
    assert r"relu & {\boldmath$0.50\ [0.25, 1.00]$} \\" in to_latex(table)
    for text in (to_markdown(table), to_latex(table)):
        assert "**–**" not in text
        assert text.count("boldmath") <= 1
    assert to_csv(table) == "metric,ρ,ρ_low,ρ_high\nrelu,0.5,0.25,1.0\nzen,,,\n"


def test_without_groups_and_note_there_is_no_trace_of_them() -> None:
    plain = Table("plain", "Plain", ["x"], [[1]])
    assert plain.spans == []
    assert to_csv(plain) == "x\n1\n"
    assert to_markdown(plain) == "**Plain**\n\n|   x |\n| --: |\n|   1 |\n"
    assert "cmidrule" not in to_latex(plain)
    assert "footnotesize" not in to_latex(plain)


def test_a_column_with_text_is_not_numeric() -> None:
    assert Table("t", "t", ["a", "b", "c"], [[1, 1, None], ["x", None, None]]).numeric == [False, True, False]


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\r")), st.floats(allow_nan=False)), min_size=1))
def test_text_and_floats_come_back_from_csv_as_they_were(rows: list[tuple[str, float]]) -> None:
    table = Table("t", "t", ["text", "number"], rows)
    header, *read = csv.reader(io.StringIO(to_csv(table), newline=""))
    assert header == ["text", "number"]
    assert [(text, float(number)) for text, number in read] == rows


def test_line_ends_in_csv_are_of_one_kind() -> None:
    assert to_csv(Table("t", "t", ["x"], [["a\rb\r\nc\n"]])) == 'x\n"a\nb\nc\n"\n'


@given(st.text(string.printable + "ρ±−é", min_size=1))
def test_markdown_shows_text_as_it_is(text: str) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(to_markdown(Table("t", "x", ["y"], [[text]])))
    cells = [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", rendered)]
    assert cells == [" ".join(text.split())]


def test_hostile_text_stays_text_in_latex() -> None:
    latex = to_latex(hostile_table())
    assert r"a\_b\%\&\#\$" in latex
    assert r"\textbackslash{}input\{/etc/passwd\}" in latex
    assert "    {[}1, 2, 3, 2, 0, 1] & " in latex
    assert "\n\n" not in latex
    assert r"-{}-flag -{}-{}-{}- $\rho$ $\tau$ $\Delta$ $\times$ $\pm$ $-$" in latex


# .venv/bin/python -m pytest -m latex tests/report/test_document.py
@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_and_fits_the_page(tmp_path: Path) -> None:
    greek = Table("greek", "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", ["x" * 40] * 9, [[*[math.inf] * 8, None]])
    tables = [SMALL, hostile_table(), greek]
    for table in tables:
        (tmp_path / f"{table.name}.tex").write_text(to_latex(table), encoding="utf-8")
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
        + "".join(f"\\input{{{table.name}.tex}}\n" for table in tables)
        + "\\end{document}\n",
        encoding="utf-8",
    )
    finished = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=False,
    )
    said = finished.stdout.decode(errors="replace")
    assert finished.returncode == 0, said
    assert "Overfull" not in said
    assert (tmp_path / "all.pdf").stat().st_size > 0


def test_three_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    write_table(tmp_path / "new", SMALL)
    for suffix, text in ((".csv", to_csv(SMALL)), (".md", to_markdown(SMALL)), (".tex", to_latex(SMALL))):
        assert (tmp_path / "new" / f"table_3{suffix}").read_text(encoding="utf-8") == text
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_two_columns_of_one_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = Table("t", "t", ["x", "x_std"], [[Number(1.0, std=2.0), 3]])
    with pytest.raises(ValueError, match="two columns have the same name"):
        write_table(tmp_path, table)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table("t", "t", ["x"], [[1], [1, 2]])
    with pytest.raises(ValueError, match="0 cells for 1 columns"):
        Table("t", "t", ["x"], [[1]], groups=[])


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b", "<a>", "a\n", "a}"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a file"):
        Table(name, "t", ["x"], [])
    with pytest.raises(ValueError, match="is no name for a file"):
        Figure(name, "t", Path("x.svg"), "x")
