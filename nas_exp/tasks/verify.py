"""Compute a sample of a score table again: are its scores those of this code, on this machine, with these images?"""

import math
from pathlib import Path
from typing import Annotated

import numpy as np

from nas_exp.bounds import AtLeast
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.scoring.compute import compute
from nas_exp.scoring.source import table_of
from nas_exp.storage.summary import Summary
from nas_exp.tasks.score import select
from nas_exp.terminal import progress


def run(
    config: Config,
    folder: Path,
    *,
    archs: list[int | str] | None,
    sample: Annotated[int, AtLeast(1)],
    tolerance: Annotated[float, AtLeast(0)],
) -> Summary:
    """Recompute scores that the table has, shipped ones included, and compare. Nothing is added to the table.

    Args:
        config: the metric and the dataset; `config.seed` draws the sample.
        folder: the job's folder; nothing but the summary is written.
        archs: compare these, given as `arch_index`; by default a random sample.
        sample: how many architectures to draw.
        tolerance: the largest relative difference that passes.

    Raises:
        InputError: the table lacks the scores, cannot be computed without images, or differs.
    """
    name, dataset = config.metric.name, config.dataset.name
    table = table_of(config)
    if table.recipe is None:
        raise InputError(
            f"dataset.root=null: metric={name} needs images of {dataset}; expected the folder that has them"
        )
    scores = table.read()
    if archs is None:
        known = scores.arch_index
        chosen = np.random.default_rng(config.seed).choice(known, min(sample, len(known)), replace=False).tolist()
    else:
        chosen = list(select(config.space, archs))
    expected = dict(zip(scores.arch_index.tolist(), scores.score.tolist(), strict=True))
    lacking = [arch for arch in chosen if arch not in expected]
    if lacking or not chosen:
        which = f"architecture {lacking[0]}" if lacking else "any architecture"
        raise InputError(f"{table.folder}: no score of {which} to compare with; run task=score first")
    worst, at, again = 0.0, chosen[0], math.nan
    with progress(f"{name} on {dataset}, again", len(chosen), "networks") as advance:
        for (rows,) in compute([(table.recipe, chosen)], n_jobs=config.n_jobs):
            for row in rows:
                difference = relative_difference(row.score, expected[row.arch_index])
                if difference >= worst:
                    worst, at, again = difference, row.arch_index, row.score
            advance(len(rows))
    if not worst <= tolerance:
        raise InputError(
            f"{table.folder}: {name} of architecture {at} is {expected[at]}, and {again} when computed again, "
            f"a relative difference of {worst:.1e}; expected at most task.tolerance={tolerance:g}"
        )
    return {
        "dataset": dataset,
        "metric": name,
        "compared": len(chosen),
        "known": len(expected),
        "worst_difference": worst,
        "worst_arch_index": at,
        "tolerance": tolerance,
    }


def relative_difference(a: float, b: float) -> float:
    """Return |a - b| over the larger of |a| and |b|: 0 where both are the same, finite or not; else infinite."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))
