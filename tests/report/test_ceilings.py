from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.analysis.ceiling import noise_ceiling
from nas_exp.report import ceilings
from nas_exp.report.ceilings import cached_ceiling
from tests.job_files import only

CLASSES = np.repeat(np.arange(20), 3)
ACCURACY = np.random.default_rng(0).normal(90, 1, size=60)
EXPECTED = noise_ceiling(ACCURACY, CLASSES, top=0.5, draws=5)


def ceiling(folder: Path, **other: Any) -> object:
    return cached_ceiling(folder, **{"accuracy": ACCURACY, "classes": CLASSES, "top": 0.5, "draws": 5, **other})


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was computed and not read."""
    found = list[object]()

    def count(*arguments: Any, **others: Any) -> object:
        found.append(noise_ceiling(*arguments, **others))
        return found[-1]

    monkeypatch.setattr(ceilings, "noise_ceiling", count)
    return found


def test_a_ceiling_is_computed_once(tmp_path: Path, computed: list[object]) -> None:
    assert ceiling(tmp_path) == EXPECTED
    assert ceiling(tmp_path) == EXPECTED
    assert len(computed) == 1


@pytest.mark.parametrize(
    "other", [{"accuracy": ACCURACY + 1}, {"classes": CLASSES[::-1]}, {"top": 0.4}, {"draws": 4}, {"seed": 1}]
)
def test_a_ceiling_of_anything_else_is_another(tmp_path: Path, computed: list[object], other: dict[str, Any]) -> None:
    ceiling(tmp_path)
    ceiling(tmp_path, **other)
    assert len(computed) == 2


def test_an_unknown_ceiling_is_kept_as_well(tmp_path: Path, computed: list[object]) -> None:
    for _ in range(2):
        assert np.isnan(ceiling(tmp_path, classes=np.arange(60)).rho.value)  # type: ignore[attr-defined]
    assert len(computed) == 1


@pytest.mark.parametrize("at", [0, 100, 1000])
def test_a_damaged_ceiling_is_computed_again(tmp_path: Path, at: int, computed: list[object]) -> None:
    ceiling(tmp_path)
    file = only(tmp_path, "*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:at])
    assert ceiling(tmp_path) == EXPECTED
    assert len(computed) == 2
    assert file.read_bytes() == whole
    assert (tmp_path / f"damaged-{file.name}").read_bytes() == whole[:at]


def test_where_nothing_can_be_kept_there_is_a_ceiling_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert ceiling(tmp_path / "file") == EXPECTED
    assert "the noise ceiling is not kept" in caplog.text
