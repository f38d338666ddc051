"""Fill a score table: one metric over the space, or a part of it."""

import logging
from pathlib import Path
from typing import Annotated

import numpy as np

from nas_exp.arguments import AtLeast
from nas_exp.config import Config, Metric
from nas_exp.errors import InputError
from nas_exp.live_table import LiveTable
from nas_exp.progress import duration, progress
from nas_exp.score_table import ScoreTable
from nas_exp.scoring import equal_networks, forecast, plan
from nas_exp.space import SIZE
from nas_exp.tasks import Summary

log = logging.getLogger(__name__)

STORE = "scores"


def run(
    config: Config,
    folder: Path,
    *,
    archs: list[int] | None,
    limit: Annotated[int | None, AtLeast(1)],
    shard: Annotated[int | None, AtLeast(0)],
    shards: Annotated[int | None, AtLeast(1)],
) -> Summary:
    """Compute the scores that the table lacks, in `config.n_jobs` processes. What is there already stays.

    Scores that the package ships are copied, so that the user's own table holds all that was asked for.

    Args:
        config: the metric and the dataset.
        folder: the job's folder.
        archs: score only these, given as `arch_index`.
        limit: score only the first so many of them.
        shard: score only every `shards`-th of their different networks, starting at this one.
        shards: see `shard`.

    Raises:
        InputError: the selection is wrong, or the images that the metric needs are not there.
    """
    table, work = plan(config)
    selected = _selected(config.metric, archs=archs, limit=limit, shard=shard, shards=shards)
    missing = _missing(table, selected)
    if missing and work is None:
        raise InputError(
            f"dataset.root=null: metric={config.metric.name} needs images of {config.dataset.name}; "
            "expected the folder that holds them"
        )
    log.info("%d of %d scores are there, %d to compute", len(selected) - len(missing), len(selected), len(missing))
    if missing and work is not None:
        networks, seconds = forecast(table, work, missing, n_jobs=config.n_jobs)
        time = "an unknown time" if seconds is None else f"about {duration(seconds)}"
        log.info("%d different networks are left, %s with n_jobs=%d", networks, time, config.n_jobs)
        description = f"{config.metric.name} on {config.dataset.name}"
        with (
            LiveTable(table, work, n_jobs=config.n_jobs) as live,
            progress(description, len(missing), "networks") as advance,
        ):
            for chunk in live.compute(missing):
                advance(len(chunk))
    table.copy_shipped(selected)
    table.merge()
    scores = table.read()
    return {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "selected": len(selected),
        "computed": len(missing),
        "scored": int(scores.known[selected].sum()),
        "finite": int(np.isfinite(scores.score[selected]).sum()),
        "seconds_mean": float(np.mean(scores.seconds[selected])) if selected else None,
        "table": str(table.folder),
    }


def expected_seconds(
    config: Config, *, archs: list[int] | None, limit: int | None, shard: int | None, shards: int | None
) -> float | None:
    """Return how long the scores should take that the table lacks; None if nothing says. Arguments are `run`'s."""
    table, work = plan(config)
    missing = _missing(table, _selected(config.metric, archs=archs, limit=limit, shard=shard, shards=shards))
    if work is None or not missing:
        return 0.0
    return forecast(table, work, missing, n_jobs=config.n_jobs)[1]


def select(archs: list[int] | None) -> list[int]:
    """Return the architectures that `task.archs` names, in order and each once; all of the space for None.

    Raises:
        InputError: an architecture is not in the space, or there are none.
    """
    if archs is None:
        return list(range(SIZE))
    if not archs:
        raise InputError("task.archs=[]: expected at least one arch_index, or null for the whole space")
    for arch in archs:
        if not 0 <= arch < SIZE:
            raise InputError(f"task.archs: {arch} is not an arch_index; expected 0 to {SIZE - 1}")
    return list(dict.fromkeys(archs))


def _selected(
    metric: Metric, *, archs: list[int] | None, limit: int | None, shard: int | None, shards: int | None
) -> list[int]:
    selected = select(archs)[:limit]
    if shard is None and shards is None:
        return selected
    if shard is None or shards is None:
        raise InputError(f"task.shard={shard} task.shards={shards}: expected both or neither")
    if shard >= shards:
        raise InputError(f"task.shard={shard}: expected 0 to {shards - 1}, as task.shards={shards}")
    # whole groups, so that no two shards compute the same network
    groups = list(equal_networks(metric, selected).values())
    return sorted(arch for group in groups[shard::shards] for arch in group)


def _missing(table: ScoreTable, selected: list[int]) -> list[int]:
    known = table.read().known
    return [arch for arch in selected if not known[arch]]
