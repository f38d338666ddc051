"""The tables that come with the package are all there, whole, and what this code computes."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.benchmarks import DATASETS
from nas_exp.networks.cell_graph import canonical_form
from nas_exp.notebook import configure
from nas_exp.scoring.table import SHIPPED, ScoreTable
from nas_exp.tasks import verify
from tests.conftest import ROOT
from tests.topology import SIZE, spec_of_index

NOTHING = canonical_form((0,) * 6)
TABLES = sorted(path.parent for path in SHIPPED.glob("*/*/_table.json"))


def identity_of(folder: Path) -> dict[str, object]:
    identity: dict[str, object] = json.loads((folder / "_table.json").read_text(encoding="utf-8"))
    identity.pop("made_by")
    return identity


@pytest.mark.slow
def test_every_metric_that_is_computed_ships_for_every_dataset() -> None:
    shipped = {(identity_of(folder)["dataset"], identity_of(folder)["metric"]) for folder in TABLES}
    choices = sorted(file.stem for file in (ROOT / "conf/metric").glob("*.yaml"))
    metrics = [configure(f"metric={choice}").metric for choice in choices]
    computed = {
        metric.name for metric in metrics if metric.input not in ("benchmark", "members") and not metric.same_as
    }
    assert shipped == set(itertools.product(DATASETS, computed))


@pytest.mark.parametrize("folder", TABLES, ids=lambda folder: folder.name)
def test_a_shipped_table_is_whole_and_has_the_name_of_its_identity(folder: Path) -> None:
    table = ScoreTable(SHIPPED, identity_of(folder), SIZE)
    assert table.folder == folder
    scores = table.read()
    assert scores.arch_index.tolist() == list(range(SIZE))
    assert np.all(scores.seconds > 0)
    # only what has no path from input to output may have no score at all
    unscored = set(np.flatnonzero(np.isnan(scores.score)).tolist())
    assert unscored <= {arch for arch in range(SIZE) if canonical_form(spec_of_index(arch)) == NOTHING}


def slow_unless_small(folder: Path) -> Any:
    return folder if folder.parent.name == "imagenet16-120" else pytest.param(folder, marks=pytest.mark.slow)


@pytest.mark.parametrize("folder", [*map(slow_unless_small, TABLES)], ids=lambda folder: folder.name)
def test_a_sample_of_a_shipped_table_is_computed_again(
    request: pytest.FixtureRequest, tmp_path: Path, folder: Path
) -> None:
    identity = identity_of(folder)
    places = [f"paths.data={tmp_path}"]
    if identity["input"] == "images":
        places.append(f"dataset.root={request.getfixturevalue('test_data') / 'images'}")
    config = configure(f"metric={identity['metric']}", f"dataset={identity['dataset']}", *places)
    # gradients pass many ReLUs that rounding may open or shut
    tolerance = 1e-5 if identity["metric"] in ("relu", "synflow", "params", "flops", "num_layers") else 2e-3
    summary = verify.run(config, tmp_path, archs=None, sample=4, tolerance=tolerance)
    assert (summary["compared"], summary["known"]) == (4, SIZE)
