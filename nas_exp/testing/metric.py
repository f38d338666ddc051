"""Checks of a metric."""

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nas_exp.spaces.space import Dataset, Space, Weights
from nas_exp.spaces.topology import TopologySpace


def check_metric(
    metric: Callable[..., float],
    *,
    network: str = "modules",
    space: Space | None = None,
    dataset: Dataset | None = None,
    arch_index: Sequence[int] | None = None,
    batch_size: int = 8,
    **arguments: Any,
) -> None:
    """Check that a metric is a function of network, mini-batch and arguments, and gives finite scores.

    Args:
        metric: the function, ``metric(network, batch, **arguments)``.
        network: the form of the network that it takes, as in its YAML.
        space: by default the topology space, with small networks.
        dataset: what networks are built for; by default ten classes of 16 x 16 pixels.
        arch_index: architectures that should have finite scores; by default some of the space.
        batch_size: images of random pixels in the mini-batch.
        arguments: the metric's own parameters.

    Raises:
        AssertionError: the metric has a fault.
    """
    import torch

    from nas_exp.metrics import Batch
    from nas_exp.networks.settings import exact

    space, dataset = space or TopologySpace(C=4, N=1), dataset or Dataset(num_classes=10, image_size=16)
    archs = _some(space) if arch_index is None else list(arch_index)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(batch_size, 3, dataset.image_size, dataset.image_size, generator=generator)
    labels = torch.randint(dataset.num_classes, (batch_size,), generator=generator)

    def scores(order: Sequence[int]) -> dict[int, float]:
        found = {}
        with exact():
            for arch in order:
                built = space.network(arch, network, dataset, Weights(0, "float32", "cpu"))
                batch = Batch(pixels.clone(), labels.clone())
                before = _state(built)
                found[arch] = float(metric(built, batch, **arguments))
                assert _state(built) == before, f"architecture {arch}: the metric changed the network's weights"
                assert torch.equal(batch.images, pixels), f"architecture {arch}: the metric changed the images"
        return found

    found = getattr(importlib.import_module(metric.__module__), metric.__qualname__, None)
    assert found is metric, f"{metric.__module__}.{metric.__qualname__} is not this metric, so no process can find it"
    first = scores(archs)
    torch.rand(1)  # the global generator must not matter
    again = scores(archs[::-1])
    for arch in archs:
        assert _same(first[arch], again[arch]), f"architecture {arch}: {first[arch]}, then {again[arch]} in other order"
    infinite = [arch for arch in archs if not math.isfinite(first[arch])]
    assert not infinite, f"architecture {infinite[0]}: the score is {first[infinite[0]]}"
    assert len(set(first.values())) > 1, f"all of {len(archs)} architectures have the score {first[archs[0]]}"


def _some(space: Space) -> list[int]:
    """Return architectures through which a signal passes; of an unknown space, random ones."""
    if isinstance(space, TopologySpace):
        return [space.index(spec) for spec in ((3, 3, 3, 3, 3, 3), (1, 2, 3, 3, 4, 2), (2, 1, 2, 1, 3, 3))]
    return list(dict.fromkeys(space.sample(np.random.default_rng(0), 6, replace=True).tolist()))


def _state(network: Any) -> list[bytes] | None:
    from torch import nn

    if not isinstance(network, nn.Module):
        return None
    return [tensor.detach().numpy().tobytes() for tensor in network.state_dict().values()]


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6) or a == b or (math.isnan(a) and math.isnan(b))
