"""Fill a score table, or those of several metrics: over the space, or a part of it."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from nas_exp.bounds import AtLeast
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.scoring.filling import Filling, fill
from nas_exp.scoring.source import forecast, nothing_to_compute, source_of
from nas_exp.scoring.table import ScoreTable
from nas_exp.spaces.space import WHOLE, Space
from nas_exp.storage.summary import Summary
from nas_exp.terminal import duration, progress

log = logging.getLogger(__name__)

STORE = "scores"


def run(
    config: Config,
    folder: Path,
    *,
    archs: list[int | str] | None,
    limit: Annotated[int | None, AtLeast(1)],
    sample: Annotated[int | None, AtLeast(1)],
    shard: Annotated[int | None, AtLeast(0)],
    shards: Annotated[int | None, AtLeast(1)],
) -> Summary:
    """Compute the scores that the table lacks, in `config.n_jobs` processes. Scores that are there stay.

    A metric with members fills the table of each, as if each were asked for alone, and computes once what they share;
    the summary counts the scores of all. Scores that the package ships are copied, so that the user's own table holds
    all that was asked for.

    Args:
        config: the metric, the space and the dataset.
        folder: the job's folder.
        archs: score only these, given as `arch_index` or `arch_str`.
        limit: score only the first so many of them.
        sample: score only so many of them, drawn by `config.seed`; a larger sample has all of a smaller one.
        shard: score only every `shards`-th of their different networks, starting at this one.
        shards: see `shard`.

    Raises:
        InputError: the selection is wrong, or the images that the metric needs are not there.
    """
    selected, tables = _selection(config, archs=archs, limit=limit, sample=sample, shard=shard, shards=shards)
    missing = [(table, table.missing(selected)) for table in tables]
    asked, lacking = len(selected) * len(tables), sum(len(archs) for _, archs in missing)
    log.info("%d of %d scores are there, %d to compute", asked - lacking, asked, lacking)
    if lacking:
        _fill([(table, archs) for table, archs in missing if archs], config)
    for table in tables:
        table.copy_shipped(selected)
        table.merge()
    scores = [table.read().of(selected) for table in tables]
    return {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "selected": len(selected),
        "computed": lacking,
        "scored": sum(len(each.arch_index) for each in scores),
        "finite": sum(int(np.isfinite(each.score).sum()) for each in scores),
        "seconds_mean": float(np.mean([each.seconds for each in scores])) if selected else None,
        "table": str(tables[0].folder if not config.metric.members else config.scores / config.dataset.name),
    }


def _selection(
    config: Config,
    *,
    archs: list[int | str] | None,
    limit: int | None,
    sample: int | None,
    shard: int | None,
    shards: int | None,
) -> tuple[list[int], list[ScoreTable]]:
    """Return the selected architectures and the tables that are to have them."""
    tables = source_of(config).tables()
    if not tables:
        raise nothing_to_compute(config.metric)
    selected = select(config.space, archs)
    if limit is not None:
        selected = selected[:limit]
    if sample is not None:
        selected = _sample(selected, min(sample, len(selected)), config)
    elif len(selected) > WHOLE:
        raise InputError(
            f"task.archs=null: space={config.space.name} has {len(selected):,} architectures; "
            "expected a list, or task.limit or task.sample"
        )
    return _of_shard(config, list(selected), shard=shard, shards=shards), tables


def _sample(selected: Sequence[int], size: int, config: Config) -> list[int]:
    """Draw from the selected architectures, such that a larger sample has all of a smaller one."""
    rng = np.random.default_rng(config.seed)
    if len(selected) <= WHOLE:
        return [selected[place] for place in sorted(rng.permutation(len(selected))[:size].tolist())]
    drawn: dict[int, None] = {}
    while len(drawn) < size:
        drawn[int(rng.integers(len(selected)))] = None
    return [selected[place] for place in sorted(drawn)]


def _fill(missing: Sequence[tuple[ScoreTable, Sequence[int]]], config: Config) -> None:
    for table, _ in missing:
        if table.recipe is None:
            raise InputError(
                f"dataset.root=null: metric={table.identity['metric']} needs images of {config.dataset.name}; "
                "expected the folder that holds them"
            )
    networks, seconds = forecast(missing, n_jobs=config.n_jobs)
    time = "an unknown time" if seconds is None else f"about {duration(seconds)}"
    log.info("%d different networks are left, %s with n_jobs=%d", networks, time, config.n_jobs)
    archs = [archs for _, archs in missing]
    with ExitStack() as stack:
        fillings = [stack.enter_context(Filling(table, n_jobs=config.n_jobs)) for table, _ in missing]
        for filling in fillings:
            filling.prepare()
        # what is counted are networks of one metric, scores of many
        unit = "scores" if config.metric.members else "networks"
        description = f"{config.metric.name} on {config.dataset.name}"
        advance = stack.enter_context(progress(description, sum(map(len, archs)), unit))
        for chunk in fill(fillings, archs, n_jobs=config.n_jobs):
            advance(sum(map(len, chunk)))


def expected_seconds(config: Config, **selection: Any) -> float | None:
    """Return how long the scores should take that the table lacks; None if that is not known. Arguments are `run`'s."""
    selected, tables = _selection(config, **selection)
    missing = [(table, table.missing(selected)) for table in tables if table.recipe is not None]
    wanted = [(table, archs) for table, archs in missing if archs]
    return forecast(wanted, n_jobs=config.n_jobs)[1] if wanted else 0.0


def select(space: Space, archs: list[int | str] | None) -> Sequence[int]:
    """Return the architectures that `task.archs` names, in order and each once; all of the space for None.

    Raises:
        InputError: an architecture is not in the space, or there are none.
    """
    if archs is None:
        return range(len(space))
    if not archs:
        raise InputError("task.archs=[]: expected at least one arch_index, or null for the whole space")
    return list(dict.fromkeys(_arch_index(space, arch) for arch in archs))


def _arch_index(space: Space, arch: int | str) -> int:
    if isinstance(arch, str):
        try:
            return space.parse(arch)
        except InputError as error:
            raise InputError(f"task.archs: {error}, or an arch_index") from None
    if not 0 <= arch < len(space):
        raise InputError(f"task.archs: {arch} is not an arch_index; expected 0 to {len(space) - 1}")
    return arch


def _of_shard(config: Config, selected: list[int], *, shard: int | None, shards: int | None) -> list[int]:
    if shard is None and shards is None:
        return selected
    if shard is None or shards is None:
        raise InputError(f"task.shard={shard} task.shards={shards}: expected both or neither")
    if shard >= shards:
        raise InputError(f"task.shard={shard}: expected 0 to {shards - 1}, as task.shards={shards}")
    # whole groups, so that no two shards compute the same network; of several metrics, the groups of the one that can
    # tell the fewest networks apart: the others' are parts of them
    forms = {str(part.metric.network) for part in config.of_computed()}
    groups = min((list(config.space.by_network(selected, form).values()) for form in sorted(forms)), key=len)
    return sorted(arch for group in groups[shard::shards] for arch in group)
