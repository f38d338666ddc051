"""Every file of conf/ composes and runs, so that a new metric or algorithm is tested by being there."""

import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.conftest import ROOT, RunProgram
from tests.job_files import BASIC, SMALL


def files(group: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with a few random images for every dataset."""
    rng = np.random.default_rng(0)
    for name in files("dataset"):
        node = OmegaConf.load(ROOT / "conf/dataset" / f"{name}.yaml")
        np.savez(
            tmp_path / f"{node.name}.npz",
            images=rng.integers(0, 256, (12, node.image_size, node.image_size, 3), dtype=np.uint8),
            labels=rng.integers(0, node.num_classes, 12),
        )
    return tmp_path


def is_computed(metric: str) -> bool:
    return OmegaConf.load(ROOT / "conf/metric" / f"{metric}.yaml").input != "benchmark"


@pytest.mark.parametrize(
    ("metric", "datasets"),
    [
        ("grad_norm", ["imagenet16-120"]),
        *(
            pytest.param(name, files("dataset"), marks=pytest.mark.slow)
            for name in files("metric")
            if is_computed(name)
        ),
    ],
)
def test_every_metric_scores_every_dataset(program: RunProgram, images: Path, metric: str, datasets: list[str]) -> None:
    done = program(
        "-m", "task=score", f"dataset={','.join(datasets)}", f"metric={metric}", "task.archs=[9001,12345]",
        "metric.batch_size=8", *SMALL, f"dataset.root={images}", "name=s", BASIC,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summaries = [json.loads(path.read_text()) for path in images.glob("multirun_sweeps/s/*/summary.json")]
    assert sorted(summary["dataset"] for summary in summaries) == datasets
    tables = [len(list(images.glob(f"data/scores/{summary['dataset']}/*"))) for summary in summaries]
    assert [summary["finite"] for summary in summaries] == [2 * count for count in tables]
    assert [summary["computed"] for summary in summaries] == [2 * count for count in tables]


def test_a_metric_that_is_the_same_as_another_shares_its_table(program: RunProgram, images: Path) -> None:
    both = ("task=score", "task.archs=[9001,12345]", "metric.batch_size=8", *SMALL)
    for metric in ("relu", "naswot"):
        done = program(*both, f"metric={metric}", f"dataset.root={images}", f"name={metric}")
        assert done.returncode == 0, done.stderr
    summaries = [json.loads((images / f"outputs/{name}/summary.json").read_text()) for name in ("relu", "naswot")]
    assert [summary["computed"] for summary in summaries] == [2, 0]
    assert summaries[0]["table"] == summaries[1]["table"]


@pytest.mark.slow
def test_every_algorithm_searches_reproducibly(
    program: RunProgram, new_program: RunProgram, tmp_path: Path, tables: Path
) -> None:
    sweep = ("-m", f"algo={','.join(files('algo'))}", "algo.N=30", "runs=2", BASIC)
    for name, run in (("a", program), ("b", new_program)):
        done = run(*sweep, f"name={name}", "benchmark=table", f"benchmark.path={tables}")
        assert done.returncode == 0, done.stderr
    found = [sorted((tmp_path / "multirun_sweeps" / name).glob("*/trajectory.parquet")) for name in ("a", "b")]
    assert len(found[0]) == len(files("algo"))
    assert [path.read_bytes() for path in found[0]] == [path.read_bytes() for path in found[1]]


@pytest.mark.parametrize("group", ["task", "dataset", "metric", "algo", "benchmark"])
def test_every_choice_says_what_it_is_and_has_the_name_of_its_file(group: str) -> None:
    for name in files(group):
        path = ROOT / "conf" / group / f"{name}.yaml"
        assert path.read_text(encoding="utf-8").startswith("# ")
        # without a name of its own, a choice has one by what it is made of
        assert OmegaConf.load(path).name in (name, None)
