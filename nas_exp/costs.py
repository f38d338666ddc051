"""What networks cost to keep and to run: parameters, multiply-adds, latency."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nas_exp.algos import CostName, Costs
from nas_exp.config import Config
from nas_exp.errors import InputError
from nas_exp.space import NOR_CONV_1X1, NOR_CONV_3X3, TopologySpace

_STAGES = 3


@dataclass(frozen=True)
class _Conv:
    """A convolution without bias; `side` is that of its output, in pixels."""

    kernel: int
    inputs: int
    outputs: int
    side: int
    batch_norm: bool = True

    @property
    def params(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs + 2 * self.outputs * self.batch_norm

    @property
    def flops(self) -> int:
        return self.kernel**2 * self.inputs * self.outputs * self.side**2


def load(config: Config) -> Costs:
    """Return what every architecture costs that is configured as `algo.cost`; NaN where the benchmark has none.

    Raises:
        InputError: the benchmark has no such cost at all.
    """
    assert config.algo.cost is not None
    return COSTS[config.algo.cost](config)


def params(config: Config) -> Costs:
    """Return the numbers of trainable parameters, in millions; shape (15625,).

    As NAS-Bench-201 counts them: all of the network's, those of operations that no signal passes included.
    """
    channels = config.network.C * 2 ** (_STAGES - 1)
    # the last BatchNorm, and the classifier with its bias
    rest = 2 * channels + (channels + 1) * config.dataset.num_classes
    return _of_convolutions(config, lambda conv: conv.params, rest)


def flops(config: Config) -> Costs:
    """Return the multiply-adds of one image's forward pass, in millions; shape (15625,).

    As NAS-Bench-201 counts them: those of convolutions and of the classifier, with its bias; nothing else.
    """
    channels = config.network.C * 2 ** (_STAGES - 1)
    return _of_convolutions(config, lambda conv: conv.flops, (channels + 1) * config.dataset.num_classes)


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


def _of_convolutions(config: Config, count: Callable[[_Conv], int], rest: int) -> Costs:
    """Add up something over all convolutions of every network, and what the rest has of it; in millions."""
    specs, C, side = TopologySpace().specs, config.network.C, config.dataset.image_size
    total = np.full(len(specs), rest + sum(map(count, _around_cells(C, side))))
    for stage in range(_STAGES):
        channels = C * 2**stage
        for operation, kernel in ((NOR_CONV_1X1, 1), (NOR_CONV_3X3, 3)):
            each = config.network.N * count(_Conv(kernel, channels, channels, side // 2**stage))
            total += each * np.count_nonzero(specs == operation, axis=1)
    return Costs(total / 1e6)


def _around_cells(C: int, side: int) -> Iterator[_Conv]:
    """Yield the convolutions that every network has: the stem's, and those of the blocks between stages."""
    yield _Conv(3, 3, C, side)
    for stage in range(1, _STAGES):
        inputs, outputs, half = C * 2 ** (stage - 1), C * 2**stage, side // 2**stage
        yield _Conv(3, inputs, outputs, half)
        yield _Conv(3, outputs, outputs, half)
        yield _Conv(1, inputs, outputs, half, batch_norm=False)
