"""The commands and the Python of all pages, run as they stand there, on less; and their links."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.conftest import ROOT, RunProgram
from tests.docs.pages import PAGES, Block, blocks, write_files
from tests.job_files import SMALL

PROGRAMS = (["python", "run.py"], ["nas-exp"], ["python", "-m", "nas_exp"])
SHORTER = {"search": ("runs=1", "algo.N=10"), "score": ("task.limit=2",), "verify": ("task.sample=2",)}
PLACES = {
    "path/to/images": "images",
    "path/to/tables": "nb201",
    "path/to/NATS-tss-v1_0-3ffb9-simple": "nats/NATS-tss-v1_0-3ffb9-simple",
}
ALL = [block for page in PAGES for block in blocks(page)]


def of_language(language: str) -> list[Block]:
    return [block for block in ALL if block.language == language and block.key != "file"]


def arguments_of(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    for program in PROGRAMS:
        if words[: len(program)] == program:
            return words[len(program) :]
    raise AssertionError(f"{command}: is not a command that can be tested; mark the block as `skip: REASON`")


def slow_unless_readme(block: Block) -> Any:
    return block if block.page.name == "README.md" else pytest.param(block, marks=pytest.mark.slow)


def shortened(arguments: list[str]) -> list[str]:
    """Add what makes a command cheap; the last of several values of a key counts."""
    if "--help" in arguments:
        return arguments
    task = next((argument.removeprefix("task=") for argument in arguments if argument.startswith("task=")), "search")
    added = [*SHORTER.get(task, ())]
    # shipped tables, which verify compares with, are of the full network
    if task != "verify" and any(argument.startswith("dataset.root=") for argument in arguments):
        added += SMALL
    if "-m" in arguments:
        added += ["hydra.launcher.n_jobs=1"]
    return [*arguments, *added]


@pytest.mark.parametrize("block", [*map(slow_unless_readme, of_language("bash"))], ids=str)
def test_the_commands_work(block: Block, program: RunProgram, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if block.key == "skip":
        pytest.skip(block.value)
    write_files(block.page, tmp_path)
    for command in block.commands:
        arguments = shortened(arguments_of(command))
        if block.key == "small" and "task=report" not in arguments:
            arguments += block.value.split()
        for place, real in PLACES.items():
            if place in command:
                folder = request.getfixturevalue("test_data") / real
                arguments = [argument.replace(place, str(folder)) for argument in arguments]
        done = program(*arguments, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.parametrize("block", of_language("python"), ids=str)
def test_the_python_works(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if block.key == "skip":
        pytest.skip(block.value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_EXP_DATA", str(tmp_path / "data"))
    exec(compile(block.content, str(block), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


@pytest.mark.parametrize("block", ALL, ids=str)
def test_the_first_line_of_a_block_is_understood(block: Block) -> None:
    assert (block.key in ("file", "small", "skip")) == bool(block.value)
    assert block.key != "small" or block.language == "bash"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    tokens = [child for token in MarkdownIt().parse(page.read_text(encoding="utf-8")) for child in token.children or ()]
    links = [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in tokens if token.attrs]
    for link in links:
        if link and not link.startswith("http"):
            target, _, anchor = link.partition("#")
            file = page.parent / target if target else page
            assert file.is_file(), link
            assert not anchor or anchor in anchors(file), link


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
