from pathlib import Path

import numpy as np
import pytest

from nas_exp.analysis.ceiling import noise_ceiling
from nas_exp.analysis.ranking import ranking_quality
from nas_exp.benchmarks import DATASETS, Benchmark, table
from tests.topology import TOPOLOGY


@pytest.fixture(scope="module")
def trained(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Benchmark]:
    store = tmp_path_factory.mktemp("store")
    return {dataset: table.load(dataset, space=TOPOLOGY, path=test_data / "nb201", store=store) for dataset in DATASETS}


def test_without_noise_twins_agree() -> None:
    accuracy = np.repeat(np.arange(50.0), 3)
    found = noise_ceiling(accuracy, np.repeat(np.arange(50), 3), draws=5)
    for interval in (found.rho, found.tau, found.rho_top, found.tau_top):
        assert [interval.value, interval.low, interval.high] == pytest.approx([1.0] * 3)
    assert found.classes == 50


def test_twins_are_different_members() -> None:
    # whichever of a and -a comes first, the other one is its twin
    accuracy = np.concatenate([np.arange(1.0, 51.0), -np.arange(1.0, 51.0)])
    found = noise_ceiling(accuracy, np.tile(np.arange(50), 2), draws=5)
    assert [found.rho.low, found.rho.high] == pytest.approx([-1.0, -1.0])


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_the_ceiling_is_the_reliability_of_trained_accuracy(noise: float) -> None:
    rng = np.random.default_rng(0)
    members = rng.integers(2, 6, size=3000)
    classes = np.repeat(np.arange(3000), members)
    accuracy = rng.normal(size=3000)[classes] + noise * rng.normal(size=len(classes))
    reliability = 1 / (1 + noise**2)
    found = noise_ceiling(accuracy, classes, draws=20)
    assert found.rho.value == pytest.approx(6 / np.pi * np.arcsin(reliability / 2), abs=0.03)
    assert found.tau.value == pytest.approx(2 / np.pi * np.arcsin(reliability), abs=0.03)
    assert found.rho.low < found.rho.value < found.rho.high
    # the top share is narrower, and noise as large as ever
    assert found.rho_top.value < found.rho.value


def test_architectures_without_twin_or_accuracy_change_nothing() -> None:
    rng = np.random.default_rng(0)
    accuracy, classes = rng.normal(90, 1, size=60), np.repeat(np.arange(20), 3)
    lonely, unknown = np.array([99.0, 98.0, np.nan]), np.array([100, 101, 0])
    more = noise_ceiling(np.concatenate([accuracy, lonely]), np.concatenate([classes, unknown]), draws=5)
    assert more == noise_ceiling(accuracy, classes, draws=5)
    assert more.classes == 20


def test_without_twins_there_is_no_ceiling() -> None:
    found = noise_ceiling(np.arange(5.0), np.arange(5), draws=2)
    assert found.classes == 0
    assert np.isnan([found.rho.value, found.rho_top.value]).all()


def test_the_ceiling_needs_the_class_of_every_accuracy() -> None:
    with pytest.raises(ValueError, match="one shape"):
        noise_ceiling(np.arange(5.0), np.arange(4))


@pytest.mark.parametrize(
    ("dataset", "rho", "rho_top"),
    [("cifar10", 0.983, 0.81), ("cifar100", 0.981, 0.55), ("imagenet16-120", 0.986, 0.47)],
)
def test_the_ceiling_of_the_space(trained: dict[str, Benchmark], dataset: str, rho: float, rho_top: float) -> None:
    benchmark = trained[dataset]
    accuracy, classes = benchmark.columns["test_acc"], TOPOLOGY.twins(benchmark.arch_index)
    found = noise_ceiling(accuracy, classes)
    assert found.classes == 1211
    assert found.rho.value == pytest.approx(rho, abs=0.001)
    assert found.rho_top.value == pytest.approx(rho_top, abs=0.02)
    # the cells whose output is constant are many, but one class
    constant = classes == classes[0]
    assert constant.sum() == 341
    without = noise_ceiling(accuracy[~constant], classes[~constant])
    assert without.rho.value == pytest.approx(found.rho.value, abs=0.001)
    assert without.rho_top.value == pytest.approx(found.rho_top.value, abs=0.02)


def test_the_ceiling_among_the_best_is_no_bound(trained: dict[str, Benchmark]) -> None:
    columns, classes = trained["cifar100"].columns, TOPOLOGY.twins(trained["cifar100"].arch_index)
    quality = ranking_quality(columns["short_val_acc"], columns["test_acc"])
    assert quality.rho_top.value > noise_ceiling(columns["test_acc"], classes).rho_top.high
