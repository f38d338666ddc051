"""The pages and their code blocks. What a block's first line says after the language is how the tests run it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt

from tests.conftest import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Block:
    """A fenced block: ```` ```LANGUAGE KEY: VALUE ````; `key` is `file`, `small`, `skip`, or empty."""

    page: Path
    line: int
    language: str
    key: str
    value: str
    content: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @cached_property
    def commands(self) -> list[str]:
        return [line for line in self.content.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(page: Path) -> list[Block]:
    found = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            assert token.map is not None
            language, _, note = token.info.partition(" ")
            key, _, value = note.partition(": ")
            found.append(Block(page, token.map[0] + 1, language, key, value, token.content))
    return found


def write_files(page: Path, folder: Path) -> None:
    """Write the blocks of a page that are files."""
    for block in blocks(page):
        if block.key == "file":
            path = folder / block.value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.content, encoding="utf-8")
