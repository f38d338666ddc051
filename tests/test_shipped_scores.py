"""The tables that come with the package are whole, or the same sample of the space, and are what this code computes."""

import itertools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from nas_exp.benchmarks import DATASETS
from nas_exp.notebook import configure
from nas_exp.score_table import SHIPPED, ScoreTable
from nas_exp.space import SIZE, canonical_form, spec_of_index
from nas_exp.tasks import verify

NOTHING = canonical_form((0,) * 6)
TABLES = sorted(path.parent for path in SHIPPED.glob("*/*/_table.json"))


def identity_of(folder: Path) -> dict[str, object]:
    identity: dict[str, object] = json.loads((folder / "_table.json").read_text(encoding="utf-8"))
    identity.pop("made_by")
    return identity


def is_a_sample(known: npt.NDArray[np.bool_]) -> bool:
    """Whether it is what task.sample has drawn by seed 0."""
    drawn = np.random.default_rng(0).permutation(SIZE)[: np.count_nonzero(known)]
    return bool(known[drawn].all())


def test_the_papers_metrics_ship_for_every_dataset() -> None:
    shipped = {(identity_of(folder)["dataset"], identity_of(folder)["metric"]) for folder in TABLES}
    assert shipped >= set(itertools.product(DATASETS, ("relu", "synflow", "grad_norm")))


@pytest.mark.parametrize("folder", TABLES, ids=lambda folder: folder.name)
def test_a_shipped_table_is_whole_or_a_sample_and_has_the_name_of_its_identity(folder: Path) -> None:
    table = ScoreTable(SHIPPED, identity_of(folder))
    assert table.folder == folder
    scores = table.read()
    assert is_a_sample(scores.known)
    assert np.count_nonzero(scores.known) in (1000, SIZE)
    assert np.all(scores.seconds[scores.known] > 0)
    # only what has no path from input to output may have no score at all
    unscored = set(np.flatnonzero(scores.known & np.isnan(scores.score)).tolist())
    assert unscored <= {arch for arch in range(SIZE) if canonical_form(spec_of_index(arch)) == NOTHING}


@pytest.mark.parametrize("folder", TABLES, ids=lambda folder: folder.name)
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
    assert (summary["compared"], summary["known"]) == (4, ScoreTable(SHIPPED, identity).read().known.sum())
