"""What a configuration means for scores: which table holds them, how to compute what it lacks, and what that takes."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_exp.config.check import Config, Metric
from nas_exp.datasets.images import MiniBatch, load_images, mini_batch
from nas_exp.errors import InputError
from nas_exp.scoring.compute import Work, equal_networks, sharing
from nas_exp.scoring.table import ScoreTable, shipped_identity
from nas_exp.spaces.topology import TopologySpace


class ImagesMissingError(InputError):
    """A metric needs images, there is no folder of them, and no shipped table to do without."""


def plan(config: Config, *, read: Callable[[Config], MiniBatch] | None = None) -> tuple[ScoreTable, Work | None]:
    """Return the score table that a configuration means, and how to compute what it lacks.

    The work is None when the metric needs images and none are at hand: then the table is the shipped one, if any.

    Args:
        config: the configuration.
        read: stands for `read_mini_batch`.

    Raises:
        InputError: the metric is many or not computed at all, the images cannot be read, or there are none and no
            shipped table to do without them.
    """
    metric, dataset = config.metric, config.dataset
    if metric.members:
        raise stands_for_several(metric)
    if metric.input == "benchmark":
        raise InputError(f"metric={metric.name}: comes from the benchmark; there is nothing to compute")
    identity: dict[str, Any] = {
        "space": TopologySpace.name,
        "dataset": dataset.name,
        "image_size": dataset.image_size,
        "num_classes": dataset.num_classes,
        "network": dataclasses.asdict(config.network),
        "metric": metric.name if metric.same_as is None else metric.same_as.rpartition(".")[2],
        "function": metric.same_as or metric.target,
        "arguments": metric.arguments,
        "input": metric.input,
        "computed_on": metric.network,
        "dtype": metric.dtype,
        "seed": metric.seed,
        "version": metric.version,
    }
    images = None
    if metric.input == "images":
        identity |= {"batch_size": metric.batch_size, "mean": list(dataset.mean), "std": list(dataset.std)}
        if dataset.root is None:
            shipped = shipped_identity(identity)
            if shipped is None:
                raise ImagesMissingError(
                    f"dataset.root=null: metric={metric.name} needs images of {dataset.name} and no shipped table has "
                    "these parameters; expected the folder that holds the images"
                )
            return ScoreTable(config.scores, shipped), None
        images = (read or read_mini_batch)(config)
        identity["images"] = images.digest
    size = {**dataclasses.asdict(config.network), "num_classes": dataset.num_classes}
    return ScoreTable(config.scores, identity), Work(metric, size, dataset.image_size, images, config.device)


def stands_for_several(metric: Metric) -> InputError:
    """Return the error that a metric is none that gives scores of its own."""
    return InputError(
        f"{metric.key}={metric.name}: stands for several metrics and gives no scores of its own; "
        f"expected one of them, as {metric.key}={metric.members[0].name}"
    )


def plan_all(config: Config) -> list[tuple[ScoreTable, Work | None]]:
    """Return what `plan` does for each metric that a configuration means, and each score table once.

    Raises:
        InputError: as `plan` does.
    """
    batches: dict[tuple[int | None, int | None], MiniBatch] = {}

    def read(member: Config) -> MiniBatch:
        key = member.metric.batch_size, member.metric.seed
        if key not in batches:
            batches[key] = read_mini_batch(member)
        return batches[key]

    plans = [plan(part, read=read) for part in config.of_computed()]
    return list({table.folder: (table, work) for table, work in reversed(plans)}.values())[::-1]


def read_mini_batch(config: Config) -> MiniBatch:
    """Read the mini-batch that a configuration with `dataset.root` and an image metric means."""
    dataset, metric = config.dataset, config.metric
    assert dataset.root is not None
    assert metric.batch_size is not None
    assert metric.seed is not None
    images = load_images(
        Path(dataset.root), name=dataset.name, num_classes=dataset.num_classes, image_size=dataset.image_size
    )
    return mini_batch(images, size=metric.batch_size, seed=metric.seed, mean=dataset.mean, std=dataset.std)


def forecast(
    tables: Sequence[ScoreTable], works: Sequence[Work], arch_index: Sequence[Sequence[int]], *, n_jobs: int
) -> tuple[int, float | None]:
    """Return how many networks have to be computed for some architectures, and how many seconds that should take.

    The seconds are those of like networks, computed before or shipped; None where there are none. Of works that share
    a pass, which each of them counts in full, the longest counts.

    Args:
        tables: those of the works.
        works: metrics and what they see.
        arch_index: for each work, what it is to score.
        n_jobs: processes.
    """
    import joblib

    networks: set[int] = set()
    longest: dict[object, float] = {}
    for number, (table, work, archs) in enumerate(zip(tables, works, arch_index, strict=True)):
        if not archs:
            continue
        groups = equal_networks(work.metric, archs)
        networks.update(groups)
        seconds = table.expected_seconds()
        found = seconds[list(groups)]
        if np.isnan(found).all():
            found = seconds
        expected = np.nan if np.isnan(found).all() else float(np.nanmean(found)) * len(groups)
        key = sharing(work, with_pass=True) or number
        longest[key] = float(np.maximum(longest.get(key, 0.0), expected))  # NaN wins
    total = sum(longest.values())
    if np.isnan(total):
        return len(networks), None
    return len(networks), total / max(1, min(joblib.effective_n_jobs(n_jobs), len(networks)))
