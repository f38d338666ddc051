"""How well a metric ranks the space: the paper's Tables I and VI."""

from pathlib import Path
from typing import Annotated

import numpy as np

from nas_exp.arguments import AtLeast
from nas_exp.config import Config
from nas_exp.errors import InputError
from nas_exp.report.ranking import correlations
from nas_exp.scorer import known_scores
from nas_exp.tasks import Summary


def run(config: Config, folder: Path, *, top: Annotated[float, AtLeast(0)]) -> Summary:
    """Correlate scores with the trained accuracies that the benchmark has, over the architectures that have both.

    Args:
        config: the metric, the dataset and the benchmark.
        folder: the job's folder; nothing but the summary is written.
        top: the share of best-scored architectures that is correlated on its own as well.

    Returns:
        Spearman's rho and Kendall's tau-b over all and over the best-scored, with 200-epoch test and validation
        accuracy; None where the benchmark has no such accuracy.

    Raises:
        InputError: no architecture has both a score and an accuracy, or `top` is not a share.
    """
    if not 0 < top <= 1:
        raise InputError(f"task.top={top}: expected a share, above 0 and at most 1")
    benchmark = config.benchmark.load(config.dataset.name)
    scores = known_scores(config)
    summary: Summary = {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "benchmark": config.benchmark.name,
    }
    for column, accuracy in (("test_acc", benchmark.test_acc_200), ("val_acc", benchmark.val_acc_200)):
        both = scores.known & np.isfinite(accuracy)
        found = correlations(scores.score[both], accuracy[both], top=top)
        summary |= {f"{name}_{column}": value for name, value in found.items()}
    summary["architectures"] = int((scores.known & np.isfinite(benchmark.val_acc_200)).sum())
    if not summary["architectures"]:
        raise InputError(
            f"metric={config.metric.name}: no architecture has both a score and an accuracy; run task=score first"
        )
    return summary
