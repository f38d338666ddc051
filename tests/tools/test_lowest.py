import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools.lowest import ROOT, lowest, requirements

UNBOUNDED = {"joblib-stubs", "nas-exp", "pandas-stubs", "scipy-stubs", "types-pyyaml"}


def names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_all_that_users_install_and_the_tools_have_a_lowest_version_that_is_allowed() -> None:
    assert names(lowest()) == names(requirements()) - UNBOUNDED
    pins = {canonicalize_name(name): version for name, version in (pin.split("==") for pin in lowest())}
    for each in map(Requirement, requirements()):
        version = pins.get(canonicalize_name(each.name))
        assert version is None or each.specifier.contains(version), each


def test_the_versions_of_the_last_run_are_allowed() -> None:
    found = re.findall(r"^([\w-]+)==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    pins = {canonicalize_name(name): version for name, version in found}
    for each in map(Requirement, requirements()):
        name = canonicalize_name(each.name)
        assert name == "nas-exp" or each.specifier.contains(pins[name]), each
