"""The commands of README.md, run as they stand there, on less."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunProgram

SMALL = ("network.C=4", "network.N=1")
SHORTER = {
    "search": ("runs=1", "algo.N=10"),
    "score": ("task.limit=2",),
    "verify": ("task.sample=2",),
    "combine": (),
    "import": (),
    "correlate": (),
    "report": (),
}


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("python run.py")]


def test_there_are_commands_to_test() -> None:
    assert len(commands()) >= 8


def with_real_paths(command: str, test_data: Path) -> str:
    places = {
        "path/to/images": test_data / "images",
        "path/to/tables": test_data / "nb201",
        "path/to/NATS-tss-v1_0-3ffb9-simple": test_data / "nats/NATS-tss-v1_0-3ffb9-simple",
    }
    for place, real in places.items():
        command = command.replace(place, str(real))
    return command


@pytest.mark.parametrize("command", commands())
def test_the_command_works(program: RunProgram, request: pytest.FixtureRequest, command: str) -> None:
    if "path/to/" in command:
        command = with_real_paths(command, request.getfixturevalue("test_data"))
    _, _, *arguments = shlex.split(command, comments=True)
    if "benchmark=nats" in arguments and "task=import" not in arguments:
        archive = next(argument for argument in arguments if argument.startswith("benchmark.path="))
        assert program("task=import", "benchmark=nats", archive).returncode == 0
    if "task=report" in arguments:
        (sweep,) = (argument for argument in arguments if argument.startswith("sweep="))
        done = program(f"+experiment={Path(sweep).name}", "metric=synflow", "dataset=cifar10", "runs=2", "algo.N=10")
        assert done.returncode == 0, done.stderr
    task = next((argument.removeprefix("task=") for argument in arguments if argument.startswith("task=")), "search")
    if "+experiment=proxies" in arguments:
        arguments += ["metric=params,synflow", "dataset=cifar10"]
    if "--help" not in arguments:
        arguments += SHORTER[task]
        # shipped tables are of the full network
        arguments += SMALL if "dataset.root" in command and task != "verify" else ()
    done = program(*arguments)
    assert done.returncode == 0, done.stderr


def test_every_example_output_is_filled_in() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"\b[A-Z]+_(?:OUTPUT|TEST)\b", text)
