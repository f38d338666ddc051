import base64
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure as Drawing

from nas_exp.report.document import Figure, Number, Section, Table
from nas_exp.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<script>console.error('x')</script> \"a_b%&#$' </title><img src=https://example.org/x>"
SCORES = Table(
    "scores",
    "Scores",
    ["metric", "test", "time (s)", HOSTILE],
    [
        ["val_acc", Number(91.11, std=0.22), 147867.9, "b"],
        ["ReLU", None, 9.5, "a10"],
        ["synflow", Number(9.2, std=0.0), 77.9, HOSTILE],
        ["grad_norm", Number(-86.29, std=2.57), 9.5, "a9"],
    ],
    note=HOSTILE,
    groups=["", HOSTILE, HOSTILE, ""],
)
WIDE = Table("wide", "Wide", [f"column {i}" for i in range(30)], [["a row with a name", *map(float, range(29))]])
COMMANDS = ["python run.py --multirun 'metric=relu,synflow' algo=rs " + "x" * 200, f"echo {HOSTILE}"]

# what a reader would do and see, written into the page as JSON
CHECKS = """
<script>
addEventListener("load", () => {
  const table = document.querySelector("#table-scores table");
  const headers = Array.from(table.tHead.lastElementChild.cells);
  const order = () => Array.from(table.tBodies[0].rows, row => row.cells[0].textContent);
  const sorted = column => {
    headers[column].querySelector("button").click();
    return [order(), headers.map(header => header.getAttribute("aria-sort"))];
  };
  const meet = (a, b, start, end) => a[end] > b[start] + 1 && b[end] > a[start] + 1;
  const overlap = (a, b) => meet(a, b, "left", "right") && meet(a, b, "top", "bottom");
  const boxes = Array.from(document.querySelectorAll("h1, h2, p, nav, figcaption, img, .scroll, .command, dl"))
    .filter(element => !element.closest("nav") || element.matches("nav"))
    .map(element => element.getBoundingClientRect());
  const result = {
    width: [innerWidth, document.documentElement.scrollWidth],
    scrolls: Array.from(document.querySelectorAll(".scroll"), box => box.scrollWidth > box.clientWidth),
    overlaps: boxes.filter((box, i) => boxes.slice(0, i).some(other => overlap(box, other))).length,
    images: Array.from(document.images, image => [image.complete && image.naturalWidth > 0, image.alt]),
    background: getComputedStyle(document.images[0]).backgroundColor,
    focusable: headers.every(header => header.querySelector("button").tabIndex === 0),
    links: Array.from(document.querySelectorAll("nav a"), link => !!document.querySelector(link.hash)),
    buttons: document.querySelectorAll(".command button").length,
    start: order(), test: sorted(1), testDown: sorted(1), time: sorted(2), text: sorted(3), textDown: sorted(3),
  };
  console.info("all checks ran");
  const pre = document.createElement("pre");
  pre.id = "checks";
  pre.textContent = JSON.stringify(result);
  document.body.append(pre);
});
</script>
"""


# a window cannot be as narrow as a phone, a frame can
FRAME = """
<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{page}"></iframe>
<pre id="result"></pre>
<script>
document.querySelector("iframe").addEventListener("load", event => {{
  document.querySelector("#result").textContent = event.target.contentDocument.querySelector("#checks").textContent;
}});
</script>
"""


class Outline(HTMLParser):
    """The tags of a page with their attributes, and all addresses that it mentions."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    figures = []
    for name in ("one", "two"):
        drawing = Drawing()
        drawing.add_subplot().plot([1, 2, 3], [1, 4, 9])
        drawing.savefig(folder / f"{name}.svg")
        figures.append(Figure(name, f"Figure {name}", folder / f"{name}.svg", alt=f"a curve, {HOSTILE}", note="Note."))
    sections = [
        Section("Results", ["A paragraph. " + HOSTILE, SCORES, figures[0]]),
        Section(HOSTILE, [figures[1], WIDE, "x" * 300]),
    ]
    write_page(
        folder / "index.html",
        title=f"Report {HOSTILE}",
        sections=sections,
        facts={"torch": "2.4", HOSTILE: HOSTILE, "digest": "0123456789abcdef" * 8},
        commands=COMMANDS,
    )
    assert {path.name for path in folder.iterdir()} == {"index.html", "one.svg", "two.svg"}
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_page_needs_no_other_file_and_no_network(page: str) -> None:
    outline = Outline(page)
    assert len(outline.all("script")) == 1
    assert outline.all("script") == [{}]
    assert [link["href"] for link in outline.all("link")] == ["data:,"]
    sources = [image["src"] or "" for image in outline.all("img")]
    assert len(sources) == 2
    for source in sources:
        assert base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")).startswith(b"<?xml")
    assert all((link["href"] or "").startswith("#") for link in outline.all("a"))


def test_hostile_text_is_shown_as_it_is(page: str) -> None:
    assert HOSTILE not in page
    assert page.count(html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) > 10


def test_anchors_are_unique_and_every_link_has_one(page: str) -> None:
    outline = Outline(page)
    anchors = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    links = [link["href"] for link in outline.all("a")]
    assert {"#section-1", "#table-scores", "#figure-two", "#commands", "#facts"} < set(links)
    assert {(link or "").removeprefix("#") for link in links} <= set(anchors)


def test_commands_stand_there_to_the_letter(page: str) -> None:
    assert [html.unescape(code) for code in re.findall("<code>(.*?)</code>", page, re.DOTALL)] == COMMANDS


def test_an_empty_report_has_no_empty_sections(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", title="Empty", sections=[], facts={}, commands=[])
    assert Outline((tmp_path / "index.html").read_text(encoding="utf-8")).all("section") == []


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="share a name"):
        write_page(tmp_path / "index.html", title="", sections=[Section("", [WIDE, WIDE])], facts={}, commands=[])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def browse(page: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, Any]]:
    """The page's checks at a width in pixels, once they have run in a browser without any message but their own."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    seen: dict[int, dict[str, Any]] = {}

    def run(width: int) -> dict[str, Any]:
        if width in seen:
            return seen[width]
        folder = tmp_path_factory.mktemp("browser")
        checked = html.escape(page.replace("</body>", f"{CHECKS}</body>"))
        (folder / "frame.html").write_text(FRAME.format(width=width, page=checked), encoding="utf-8")
        finished = subprocess.run(
            [
                str(CHROMIUM),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--enable-logging=stderr",
                "--v=0",
                f"--user-data-dir={folder / 'profile'}",
                "--dump-dom",
                (folder / "frame.html").as_uri(),
            ],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=True,
        )
        messages = [line for line in finished.stderr.splitlines() if "CONSOLE" in line]
        assert len(messages) == 1, messages
        assert "all checks ran" in messages[0]
        found = re.search('<pre id="result">(.+?)</pre>', finished.stdout, re.DOTALL)
        assert found is not None
        seen[width] = json.loads(html.unescape(found.group(1)))
        return seen[width]

    return run


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_overlaps_and_only_tables_scroll_sideways(browse: Callable[[int], dict[str, Any]], width: int) -> None:
    checks = browse(width)
    assert checks["width"][0] == width
    assert checks["width"][1] <= width
    assert checks["scrolls"][1]
    assert checks["overlaps"] == 0


def test_figures_are_there_with_their_text_on_white(browse: Callable[[int], dict[str, Any]]) -> None:
    checks = browse(1280)
    assert checks["images"] == [[True, f"a curve, {HOSTILE}"]] * 2
    assert checks["background"] == "rgb(255, 255, 255)"


def test_every_link_leads_somewhere_and_every_command_can_be_copied(browse: Callable[[int], dict[str, Any]]) -> None:
    checks = browse(1280)
    assert checks["links"] == [True] * 8
    assert checks["buttons"] == len(COMMANDS)


def test_a_header_sorts_numbers_both_ways_with_unknown_values_last(browse: Callable[[int], dict[str, Any]]) -> None:
    checks = browse(1280)
    assert checks["focusable"]
    assert checks["start"] == ["val_acc", "ReLU", "synflow", "grad_norm"]
    assert checks["test"] == [["grad_norm", "synflow", "val_acc", "ReLU"], [None, "ascending", None, None]]
    assert checks["testDown"] == [["val_acc", "synflow", "grad_norm", "ReLU"], [None, "descending", None, None]]


def test_equal_rows_keep_their_order(browse: Callable[[int], dict[str, Any]]) -> None:
    # both took 9.5 s; sorted by test accuracy before, grad_norm stood above ReLU
    expected = ["grad_norm", "ReLU", "synflow", "val_acc"]
    assert browse(1280)["time"] == [expected, [None, None, "ascending", None]]


def test_text_sorts_as_people_count(browse: Callable[[int], dict[str, Any]]) -> None:
    checks = browse(1280)
    assert checks["text"][0] == ["synflow", "grad_norm", "ReLU", "val_acc"]  # <script>…, a9, a10, b
    assert checks["textDown"][0] == ["val_acc", "ReLU", "grad_norm", "synflow"]
