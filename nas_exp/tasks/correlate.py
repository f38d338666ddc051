"""How well a metric ranks the space: the paper's Tables I and VI, and beyond."""

import logging
import math
from pathlib import Path
from typing import Annotated

import numpy as np

from nas_exp.analysis.ranking import (
    K,
    correlations,
    kendall_interval,
    ndcg_interval,
    ranking_quality,
    spearman_interval,
)
from nas_exp.arrays import FloatArray
from nas_exp.bounds import AtLeast
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.scoring.source import ImagesMissingError, source_of
from nas_exp.storage.summary import Summary

log = logging.getLogger(__name__)

_ACCURACIES = {"test_acc": "test", "val_acc": "validation"}


def lacking(config: Config, *, top: float) -> str | None:
    """Return why there are no scores to correlate, in words that fit all metrics alike; None if there are some."""
    try:
        scores = source_of(config).known()
    except ImagesMissingError:
        return "dataset.root=null: no shipped table, and images say which other; expected the folder that holds them"
    except InputError as error:
        return str(error)
    return None if len(scores.arch_index) else "no scores yet; task=score computes them"


def run(config: Config, folder: Path, *, top: Annotated[float, AtLeast(0)]) -> Summary:
    """Correlate scores with the trained accuracies that the benchmark has, over the architectures that have both.

    Args:
        config: the metric, the dataset and the benchmark.
        folder: the job's folder; nothing but the summary is written.
        top: the share of best-scored architectures that is correlated on its own as well.

    Returns:
        Spearman's rho and Kendall's tau-b over all and over the best-scored, with test and validation
        accuracy; None where the benchmark has no such accuracy. For test accuracy, or validation accuracy where there
        is none, also nDCG and precision of the 100 best-scored and the regret of the best-scored, in percentage points
        (see `ranking_quality`), and the bounds of 95 % bootstrap intervals, as far as there are any. Beside them the
        mean of the seconds that a score took, as far as that is known, and the number of architectures.

    Raises:
        InputError: no architecture has both a score and an accuracy, or `top` is not a share.
    """
    if not 0 < top <= 1:
        raise InputError(f"task.top={top}: expected a share, above 0 and at most 1")
    benchmark = config.benchmark.load(config.dataset.name)
    scores = source_of(config).known()
    pairs = dict[str, tuple[FloatArray, FloatArray]]()
    for column in _ACCURACIES:
        accuracy = benchmark.of(column, scores.arch_index)
        both = np.isfinite(accuracy)
        pairs[column] = scores.score[both], accuracy[both]
    if not len(pairs["val_acc"][0]):
        raise InputError(
            f"metric={config.metric.name}: no architecture has both a score and an accuracy; run task=score first"
        )
    summary: Summary = {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "benchmark": config.benchmark.name,
    }
    for column, pair in pairs.items():
        summary |= {f"{name}_{column}": value for name, value in correlations(*pair, top=top).items()}
    column = "test_acc" if len(pairs["test_acc"][0]) else "val_acc"
    if None in summary.values():
        counts = (f"{np.isfinite(pairs[name][0]).sum():,} a {words} accuracy" for name, words in _ACCURACIES.items())
        log.info(
            "%s on %s: of %d scored architectures have a finite score and %s; “-” is what that does not tell",
            config.metric.name,
            config.dataset.name,
            len(scores.arch_index),
            ", ".join(counts),
        )
    timed = scores.seconds[np.isfinite(scores.seconds)]
    return {
        **summary,
        **_beyond(column, *pairs[column], top),
        "seconds_per_network": float(timed.mean()) if len(timed) else None,
        "architectures": len(pairs[column][0]),
    }


def _beyond(column: str, score: FloatArray, accuracy: FloatArray, top: float) -> Summary:
    """Return the statistics beyond correlations, and the bounds of intervals."""
    quality = ranking_quality(score, accuracy, top=top, k=(K,))
    found = {
        f"ndcg_{K}_{column}": quality.ndcg[K].value,
        f"precision_{K}_{column}": quality.precision[K].value,
        f"regret_{column}": quality.regret.value,
    }
    for name, interval in (
        ("rho", spearman_interval(score, accuracy)),
        ("tau", kendall_interval(score, accuracy)),
        ("rho_top", spearman_interval(score, accuracy, top=top)),
        (f"ndcg_{K}", ndcg_interval(score, accuracy)),
    ):
        found |= {f"{name}_{column}_low": interval.low, f"{name}_{column}_high": interval.high}
    return {key: None if math.isnan(value) else value for key, value in found.items()}
