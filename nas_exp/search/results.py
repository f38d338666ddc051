"""The files of one search job."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_exp.algos import Costs
from nas_exp.analysis import pareto
from nas_exp.arrays import FloatArray
from nas_exp.benchmarks import Benchmark
from nas_exp.search.run import Outcome, Run
from nas_exp.spaces.space import Space
from nas_exp.storage.files import replacing
from nas_exp.storage.summary import Summary

RUN_COLUMNS = ("run", "arch_index", "arch_str", "score", "val_acc", "test_acc", "seconds", "scored")
FRONT_COLUMNS = ("run", "arch_index", "arch_str", "score", "cost", "val_acc", "test_acc")


def write_runs(path: Path, outcomes: Sequence[Outcome], space: Space) -> None:
    """Write one row a run: what the search returned, what it is worth, what it cost. Unknown cells stay empty."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(RUN_COLUMNS)
        for number, run in enumerate(outcomes):
            best = run.arch_index
            found = (best, space.spell(best), run.score) if best >= 0 else ("", "", "")
            worth = ("" if math.isnan(value) else value for value in (run.val_acc, run.test_acc))
            writer.writerow([number, *found, *worth, round(run.cost, 6), run.steps])


def trajectory_columns(number: int, run: Run, space: Space) -> dict[str, npt.NDArray[Any]]:
    """Return one row a step of a run; columns as in `Run`, accuracies NaN where unknown.

    Algorithms that are given several scores have a column more: `stage`, which score it is, numbered as they are used.
    """
    steps, index_type = len(run.best_arch_index), np.int32 if len(space) <= 2**31 else np.int64
    columns = {
        "run": np.full(steps, number, dtype=np.int32),
        "step": np.arange(steps, dtype=np.int32),
        "arch_index": run.trajectory.arch_index.astype(index_type),
        "score": run.trajectory.score,
        "best_arch_index": run.best_arch_index.astype(index_type),
        "val_acc": run.val_acc,
        "test_acc": run.test_acc,
        "seconds": run.seconds,
    }
    stage = run.trajectory.stage
    return columns if stage is None else {**columns, "stage": stage.astype(np.int32)}


@dataclass(frozen=True)
class Front:
    """The Pareto front of one run, cheapest first. All arrays have shape (networks,)."""

    arch_index: npt.NDArray[np.int64]
    score: FloatArray
    cost: FloatArray
    val_acc: FloatArray
    """Fully trained, percent; NaN where the benchmark has none."""
    test_acc: FloatArray
    """Likewise."""
    highest_cost: float
    """Of all that the run has scored; NaN where none is known."""

    @property
    def is_tested(self) -> bool:
        """Whether the test accuracies of all are known."""
        return bool(np.isfinite(self.test_acc).all())


def front_of(run: Run, cost: Costs, benchmark: Benchmark) -> Front:
    """Return the Pareto front of what a run has scored."""
    costs = cost(run.trajectory.arch_index.tolist())
    step = pareto.front(run.trajectory.arch_index, run.trajectory.score, costs)
    arch = run.trajectory.arch_index[step]
    val_acc, test_acc = (benchmark.of(column, arch) for column in ("val_acc", "test_acc"))
    return Front(arch, run.trajectory.score[step], costs[step], val_acc, test_acc, float(np.fmax.reduce(costs)))


def write_fronts(path: Path, fronts: Sequence[Front], space: Space) -> None:
    """Write one row a network of every run's front. Unknown cells stay empty."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FRONT_COLUMNS)
        for number, front in enumerate(fronts):
            columns = (front.arch_index, front.score, front.cost, front.val_acc, front.test_acc)
            for arch, *numbers in zip(*(column.tolist() for column in columns), strict=True):
                cells = ("" if math.isnan(value) else value for value in numbers)
                writer.writerow([number, arch, space.spell(arch), *cells])


def summarise_fronts(fronts: Sequence[Front], highest_cost: float) -> Summary:
    """Sum up fronts: mean and sample standard deviation of their hypervolumes (`pareto.hypervolume`), mean size."""
    return {
        **mean_and_std("val_hypervolume", [pareto.hypervolume(it.val_acc, it.cost, highest_cost) for it in fronts]),
        **mean_and_std("test_hypervolume", [pareto.hypervolume(it.test_acc, it.cost, highest_cost) for it in fronts]),
        "hypervolume_reference_cost": highest_cost,
        "front_size_mean": float(np.mean([len(front.arch_index) for front in fronts])),
    }


def summarise(outcomes: Sequence[Outcome], space: Space) -> Summary:
    """Sum up runs: mean and sample standard deviation of what was found, mean cost, the best-scored architecture.

    A mean over runs of which some have no accuracy is None, as is a deviation of a single run.
    """
    best = max(outcomes, key=lambda run: run.rank)
    return {
        **mean_and_std("val_acc", [run.val_acc for run in outcomes]),
        **mean_and_std("test_acc", [run.test_acc for run in outcomes]),
        "seconds_mean": float(np.mean([run.cost for run in outcomes])),
        "best_arch_str": space.spell(best.arch_index) if best.arch_index >= 0 else None,
    }


def deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; NaN of one value, 0 of equal ones, not the rounding error of their mean."""
    if len(values) == 1:
        return math.nan
    return float(np.std(values, ddof=1)) if len(set(values)) > 1 else 0.0


def mean_and_std(name: str, values: Sequence[float]) -> Summary:
    """Return the mean and the sample standard deviation, None where they are not known, under `name`."""
    mean, std = float(np.mean(values)), deviation(values)
    return {f"{name}_mean": None if math.isnan(mean) else mean, f"{name}_std": None if math.isnan(std) else std}
