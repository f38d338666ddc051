"""What networks cost to keep and to run: parameters, multiply-adds, latency."""

from collections.abc import Callable

import numpy as np

from nas_exp.algos import CostName, Costs
from nas_exp.config.check import Config
from nas_exp.errors import InputError
from nas_exp.networks.counts import Counts
from nas_exp.spaces.topology import TopologySpace


def load(config: Config) -> Costs:
    """Return what every architecture costs that is configured as `algo.cost`; NaN where the benchmark has none.

    Raises:
        InputError: the benchmark has no such cost at all.
    """
    assert config.algo.cost is not None
    return COSTS[config.algo.cost](config)


def params(config: Config) -> Costs:
    """Return the numbers of trainable parameters, in millions; shape (15625,). See `Counts.params`."""
    return Costs(_counts(config).params() / 1e6)


def flops(config: Config) -> Costs:
    """Return the multiply-adds of one image's forward pass, in millions; shape (15625,). See `Counts.flops`."""
    return Costs(_counts(config).flops(config.dataset.image_size) / 1e6)


def latency(config: Config) -> Costs:
    """Return the benchmark's latencies, in seconds; shape (15625,), NaN where it has none.

    Raises:
        InputError: it has none at all.
    """
    benchmark = config.benchmark.load(config.dataset.name)
    if not np.isfinite(benchmark.latency_s).any():
        raise InputError(
            f"algo.cost=latency: benchmark={benchmark.name} has no latencies (latency_s); expected benchmark=nats or "
            "benchmark=table, with benchmark.path, or algo.cost=params or flops"
        )
    return Costs(benchmark.latency_s)


COSTS: dict[CostName, Callable[[Config], Costs]] = {"params": params, "flops": flops, "latency": latency}
"""All of them, by name."""


def _counts(config: Config) -> Counts:
    return Counts(TopologySpace().specs, config.network.C, config.network.N, config.dataset.num_classes)
