"""What networks cost to keep and to run: parameters, multiply-adds, latency."""

from collections.abc import Callable

import numpy as np

from nas_exp.algos import CostName, Costs
from nas_exp.benchmarks import Benchmark
from nas_exp.errors import InputError
from nas_exp.spaces.space import Dataset, Space


def costs_of(name: CostName, space: Space, dataset: Dataset, load: Callable[[], Benchmark]) -> Costs:
    """Return the costs of architectures: parameters or multiply-adds in millions, or latency in seconds.

    Args:
        name: which cost.
        space: counts parameters and multiply-adds.
        dataset: what networks are built for.
        load: loads the benchmark, which has the latencies; NaN where it has none.

    Raises:
        InputError: the benchmark has no latency at all, or the space cannot count.
    """
    return COSTS[name](space, dataset, load)


def _params(space: Space, dataset: Dataset, _: Callable[[], Benchmark]) -> Costs:
    return lambda arch_index: space.params(np.asarray(arch_index, dtype=np.int64), dataset) / 1e6


def _flops(space: Space, dataset: Dataset, _: Callable[[], Benchmark]) -> Costs:
    return lambda arch_index: space.flops(np.asarray(arch_index, dtype=np.int64), dataset) / 1e6


def _latency(_: Space, __: Dataset, load: Callable[[], Benchmark]) -> Costs:
    benchmark = load()
    if not benchmark.knows("latency"):
        raise InputError(
            f"algo.cost=latency: benchmark={benchmark.name} has no latencies (latency_s); expected benchmark=nats or "
            "benchmark=table, with benchmark.path, or algo.cost=params or flops"
        )
    return lambda arch_index: benchmark.of("latency", arch_index)


COSTS: dict[CostName, Callable[[Space, Dataset, Callable[[], Benchmark]], Costs]] = {
    "params": _params,
    "flops": _flops,
    "latency": _latency,
}
"""All of them, by name."""


def highest(cost: Costs, space: Space, known: float) -> float:
    """Return the highest cost of the space or, of a space that is not small, the highest that is known."""
    return float(np.nanmax(cost(range(len(space))))) if space.is_small else known
