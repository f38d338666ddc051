"""The house: each room imports from the rooms below it alone, and no file imports in a circle."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "nas_exp"

LAYERS = (
    ("errors", "arrays", "bounds"),
    ("storage",),
    ("terminal",),
    ("networks",),
    ("spaces",),
    ("benchmarks", "datasets"),
    ("metrics", "algos"),
    ("analysis",),
    ("config",),
    ("scoring",),
    ("search",),
    ("sweeps",),
    ("report",),
    ("tasks",),
    ("notebook", "cli", "testing"),
    ("__init__", "__main__"),
)
"""The rooms, lowest first: a room imports from its own files and from the layers below, nothing else."""

ALLOWED = {"__version__"}
"""Names of the package itself that every room may import."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file) for file in files()}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def layer(module: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room(module) in rooms)


def imports(file: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports: anywhere in it, for types as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "nas_exp")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nas_exp":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if alias.name not in ALLOWED or node.module != "nas_exp":
                    yield name if name in MODULES else str(node.module)


@pytest.mark.parametrize("file", files(), ids=module_of)
def test_a_room_imports_from_the_rooms_below_alone(file: Path) -> None:
    here = module_of(file)
    upwards = [name for name in imports(file) if room(name) != room(here) and layer(name) >= layer(here)]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle() -> None:
    below = {module_of(file): set(imports(file)) - {module_of(file)} for file in files()}
    while leaves := {module for module, names in below.items() if not names & below.keys()}:
        below = {module: names for module, names in below.items() if module not in leaves}
    assert below == {}


def test_every_room_has_a_layer_and_few_files_lie_flat() -> None:
    assert {room(module) for module in MODULES} <= set(itertools.chain(*LAYERS))
    assert len(list(PACKAGE.glob("*.py"))) <= 8


@pytest.mark.parametrize("name", ["spaces", "config", "search", "sweeps"])
def test_rooms_of_the_cached_path_import_no_torch_at_the_top(name: str) -> None:
    for file in (PACKAGE / name).rglob("*.py"):
        top = ast.parse(file.read_text(encoding="utf-8")).body
        names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in top if isinstance(node, ast.ImportFrom)]
        assert not {each.split(".")[0] for each in names} & {"torch", "pandas", "scipy", "seaborn"}
