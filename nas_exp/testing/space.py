"""Checks of a search space."""

import pickle

import numpy as np

from nas_exp.spaces.space import Dataset, Space, Weights


def check_space(space: Space, *, dataset: Dataset | None = None, samples: int = 20) -> None:
    """Check that a space spells, numbers, changes and builds its architectures as the rest of the package expects.

    Args:
        space: the space.
        dataset: what networks are built for; by default ten classes of 16 x 16 pixels.
        samples: how many architectures are looked at; of two of them networks are built.

    Raises:
        AssertionError: the space has a fault.
    """
    assert space.radices, "choices: found no position"
    assert all(radix > 0 for radix in space.radices), f"choices: found a position without options, in {space.radices}"
    assert not any("," in name for names in space.choices for name in names), "choices: found a name with a comma"
    assert pickle.loads(pickle.dumps(space)) == space, "the space is not equal to itself once pickled"
    archs = space.sample(np.random.default_rng(0), samples, replace=True).tolist()
    for arch in [0, len(space) - 1, *archs]:
        options = space.options(arch)
        assert space.index(options) == arch, f"architecture {arch}: index(options) gives {space.index(options)}"
        spelled = space.spell(arch)
        assert space.parse(spelled) == arch, f"architecture {arch}: parse({spelled!r}) gives {space.parse(spelled)}"
        neighbours = space.neighbours(arch).tolist()
        assert len(set(neighbours)) == sum(radix - 1 for radix in space.radices), f"neighbours of {arch}: {neighbours}"
        for other in neighbours:
            changed = sum(a != b for a, b in zip(options, space.options(other), strict=True))
            assert changed == 1, f"neighbours of {arch}: {other} differs at {changed} positions"
    _check_networks(space, archs[:2], dataset or Dataset(num_classes=10, image_size=16))


def _check_networks(space: Space, archs: list[int], dataset: Dataset) -> None:
    import torch

    space.check(dataset)
    batch = torch.zeros(2, 3, dataset.image_size, dataset.image_size)
    for arch in archs:
        first = space.network(arch, "modules", dataset, Weights(0, "float32", "cpu"))
        torch.rand(1)  # the global generator must not matter
        again, other = (space.network(arch, "modules", dataset, Weights(seed, "float32", "cpu")) for seed in (0, 1))
        shape = tuple(first(batch).shape)
        assert shape == (2, dataset.num_classes), f"architecture {arch}: logits have the shape {shape}"
        weights, same = list(first.parameters()), list(again.parameters())
        assert all(map(torch.equal, weights, same)), f"architecture {arch}: weights differ under one seed"
        differ = any(not torch.equal(a, b) for a, b in zip(weights, other.parameters(), strict=True))
        assert differ or not weights, f"architecture {arch}: weights are the same under two seeds"
