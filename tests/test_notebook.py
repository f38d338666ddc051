"""The package in Python: README's example as it stands there, and what `configure` refuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from nas_exp.config.check import check
from nas_exp.config.schema import register_schema
from nas_exp.errors import InputError
from nas_exp.notebook import configure
from tests.conftest import ROOT


def test_the_example_works(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 10
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        env={**os.environ, "NAS_EXP_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ρ = 0.77\n")
    assert (tmp_path / "trajectory.png").read_bytes().startswith(b"\x89PNG")


def test_a_configuration_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    config = configure("metric=relu", "dataset=cifar100", "algo=rs", "algo.N=7", "seed=3")
    assert (config.metric.name, config.dataset.name, config.algo.name) == ("relu", "cifar100", "rs")
    assert config.algo.arguments == {"N": 7}
    assert (config.seed, config.metric.seed, config.runs) == (3, 3, 30)
    assert configure("seed=3").hash != configure("seed=4").hash == configure("seed=4").hash


def test_a_configuration_without_a_budget_in_seconds_is_the_one_from_before_there_were_any() -> None:
    register_schema()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        node = compose("config")
    with open_dict(node):
        del node.algo["seconds"]
    assert check(node).hash == configure().hash
    assert configure("algo.seconds=5").hash != configure("algo.seconds=6").hash != configure().hash


def test_the_seed_of_an_ensemble_is_not_that_of_members_that_draw_nothing() -> None:
    seeds = {member.name: member.seed for member in configure("metric=az_nas", "metric.seed=5").metric.members}
    assert seeds == {"az_expressivity": 5, "az_progressivity": 5, "az_trainability": 5, "flops": 0}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("metric=sinflow", "metric=sinflow: unknown; the choices are az_expressivity, az_nas, az_progressivity"),
        ("algo.N=0", "algo.N=0: expected at least 1"),
        ("algo.Q=1", "algo.Q"),
        ("=", "="),
    ],
)
def test_what_is_wrong_is_told_in_one_line(override: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        configure(override)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_package_exports_what_notebooks_need_and_imports_nothing_else() -> None:
    code = (
        "import sys, nas_exp; print({'hydra', 'numpy'} & set(sys.modules)); from nas_exp import *; print(run_searches)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("set()\n<function search ")
