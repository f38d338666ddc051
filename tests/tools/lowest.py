"""The lowest versions that pyproject.toml allows, as constraints for pip; of torch the version of constraints.txt.

Run `python -m tests.tools.lowest`. What has no lower bound is left to pip: stubs for types, and our own extras; but
versions of pyparsing that warn of what old versions of matplotlib do are left out.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def requirements() -> list[str]:
    """Return what pyproject.toml asks for, extras as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(each for extra in extras for each in extra)]


def lowest() -> list[str]:
    """Return a line for each requirement that has a lowest version."""
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", each) for each in requirements()]
    pins = [f"{bound[1]}=={bound[2]}" for bound in bounds if bound and bound[1] != "torch"]
    return [*pins, *re.findall("^torch==.*$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)]


if __name__ == "__main__":
    print(*lowest(), "pyparsing<3.3", sep="\n")
