"""A GPU gives the scores that a CPU does. Without one, nothing here runs."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from nas_exp.notebook import configure
from nas_exp.scoring.compute import compute
from nas_exp.scoring.source import table_of
from tests.conftest import ROOT
from tests.job_files import SMALL
from tests.tools import conformance

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    # torch says so of the first backward pass of a process if that begins with a matrix product
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS"),
]

METRICS = OmegaConf.load(ROOT / "conf/metric/suite.yaml").members
ARCHS = [0, 9, 2578, 4112, 7500, 11953, 12556, 15624]


def scores(metric: str, *overrides: str) -> dict[int, float]:
    recipe = table_of(configure("task=score", f"metric={metric}", *SMALL, *overrides)).recipe
    assert recipe is not None
    return {row.arch_index: row.score for (rows,) in compute([(recipe, ARCHS)], n_jobs=1) for row in rows}


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_those_of_a_cpu(metric: str, drawn_images: Path) -> None:
    own = ["metric.dtype=float64", f"dataset.root={drawn_images}"]
    if configure(f"metric={metric}").metric.input == "images":
        own.append("metric.batch_size=8")
    found, expected = (scores(metric, *own, f"device={device}") for device in ("cuda", "cpu"))
    assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert len(set(expected.values())) > 1


def test_metrics_equal_the_goldens(test_data: Path) -> None:
    assert conformance.main(["--device", "cuda", str(test_data / "goldens" / "proxies.json")]) == 0
