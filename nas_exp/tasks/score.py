"""Fill a score table, or those of several metrics: over the space, or a part of it."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from nas_exp.bounds import AtLeast
from nas_exp.config.check import Config, Metric
from nas_exp.errors import InputError
from nas_exp.scoring.compute import Work, compute_together, equal_networks
from nas_exp.scoring.filling import LiveTable
from nas_exp.scoring.plan import forecast, plan_all
from nas_exp.scoring.table import ScoreTable
from nas_exp.spaces.topology import SIZE
from nas_exp.storage.summary import Summary
from nas_exp.terminal import duration, progress

log = logging.getLogger(__name__)

STORE = "scores"


def run(
    config: Config,
    folder: Path,
    *,
    archs: list[int] | None,
    limit: Annotated[int | None, AtLeast(1)],
    sample: Annotated[int | None, AtLeast(1)],
    shard: Annotated[int | None, AtLeast(0)],
    shards: Annotated[int | None, AtLeast(1)],
) -> Summary:
    """Compute the scores that the table lacks, in `config.n_jobs` processes. What is there already stays.

    A metric that stands for many fills the table of each, as if each were asked for alone, and computes what they share
    once; the summary counts the scores of all. Scores that the package ships are copied, so that the user's own table
    holds all that was asked for.

    Args:
        config: the metric and the dataset.
        folder: the job's folder.
        archs: score only these, given as `arch_index`.
        limit: score only the first so many of them.
        sample: score only so many of them, drawn by `config.seed`; a larger sample has all of a smaller one.
        shard: score only every `shards`-th of their different networks, starting at this one.
        shards: see `shard`.

    Raises:
        InputError: the selection is wrong, or the images that the metric needs are not there.
    """
    fillings = _fillings(config, archs=archs, limit=limit, sample=sample, shard=shard, shards=shards)
    selected = fillings[0].selected
    asked, lacking = len(selected) * len(fillings), sum(len(each.missing) for each in fillings)
    log.info("%d of %d scores are there, %d to compute", asked - lacking, asked, lacking)
    if lacking:
        _fill([each for each in fillings if each.missing], config)
    for each in fillings:
        each.table.copy_shipped(selected)
        each.table.merge()
    scores = [each.table.read() for each in fillings]
    return {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "selected": len(selected),
        "computed": lacking,
        "scored": sum(int(each.known[selected].sum()) for each in scores),
        "finite": sum(int(np.isfinite(each.score[selected]).sum()) for each in scores),
        "seconds_mean": float(np.mean([each.seconds[selected] for each in scores])) if selected else None,
        "table": str(fillings[0].table.folder if not config.metric.members else config.scores / config.dataset.name),
    }


@dataclass(frozen=True)
class _Filling:
    """A score table, how to compute for it, and what it lacks of what is asked for."""

    table: ScoreTable
    work: Work | None
    selected: list[int]
    missing: list[int]


def _fillings(
    config: Config,
    *,
    archs: list[int] | None,
    limit: int | None,
    sample: int | None,
    shard: int | None,
    shards: int | None,
) -> list[_Filling]:
    plans = plan_all(config)
    metrics = [part.metric for part in config.of_computed()]
    selected = select(archs)[:limit]
    if sample is not None:
        drawn = np.random.default_rng(config.seed).permutation(len(selected))[:sample]
        selected = [selected[place] for place in sorted(drawn.tolist())]
    selected = _of_shard(metrics, selected, shard=shard, shards=shards)
    return [_Filling(table, work, selected, _missing(table, selected)) for table, work in plans]


def _fill(fillings: list[_Filling], config: Config) -> None:
    tables, works = [each.table for each in fillings], []
    for each in fillings:
        if each.work is None:
            raise InputError(
                f"dataset.root=null: metric={each.table.identity['metric']} needs images of {config.dataset.name}; "
                "expected the folder that holds them"
            )
        works.append(each.work)
    missing = [each.missing for each in fillings]
    networks, seconds = forecast(tables, works, missing, n_jobs=config.n_jobs)
    time = "an unknown time" if seconds is None else f"about {duration(seconds)}"
    log.info("%d different networks are left, %s with n_jobs=%d", networks, time, config.n_jobs)
    with ExitStack() as stack:
        lives = [
            stack.enter_context(LiveTable(table, work, n_jobs=config.n_jobs))
            for table, work in zip(tables, works, strict=True)
        ]
        for live in lives:
            live.prepare()
        # what is counted are networks of one metric, scores of many
        unit = "scores" if config.metric.members else "networks"
        description = f"{config.metric.name} on {config.dataset.name}"
        advance = stack.enter_context(progress(description, sum(map(len, missing)), unit))
        for chunk in compute_together(works, missing, n_jobs=config.n_jobs):
            for live, scored in zip(lives, chunk, strict=True):
                live.keep(scored)
            advance(sum(map(len, chunk)))


def expected_seconds(config: Config, **selection: Any) -> float | None:
    """Return how long the scores should take that the table lacks; None if nothing says. Arguments are `run`'s."""
    fillings = _fillings(config, **selection)
    lacking = [(each.table, each.work, each.missing) for each in fillings if each.work is not None and each.missing]
    if not lacking:
        return 0.0
    tables, works, missing = zip(*lacking, strict=True)
    return forecast(tables, works, missing, n_jobs=config.n_jobs)[1]


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


def _of_shard(metrics: Sequence[Metric], selected: list[int], *, shard: int | None, shards: int | None) -> list[int]:
    if shard is None and shards is None:
        return selected
    if shard is None or shards is None:
        raise InputError(f"task.shard={shard} task.shards={shards}: expected both or neither")
    if shard >= shards:
        raise InputError(f"task.shard={shard}: expected 0 to {shards - 1}, as task.shards={shards}")
    # whole groups, so that no two shards compute the same network; of several metrics, the groups of the one that can
    # tell the fewest networks apart: the others' are parts of them
    groups = min((list(equal_networks(metric, selected).values()) for metric in metrics), key=len)
    return sorted(arch for group in groups[shard::shards] for arch in group)


def _missing(table: ScoreTable, selected: list[int]) -> list[int]:
    known = table.read().known
    return [arch for arch in selected if not known[arch]]
