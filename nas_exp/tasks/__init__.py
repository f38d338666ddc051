"""What a job can do. A task is one module with ``run(config, folder, *, <own keys>) -> Summary``.

It writes its files into `folder` and returns the summary that becomes ``summary.json`` and the job's row in a sweep's
``results.csv``. A module may also have ``expected_seconds(config, *, <own keys>) -> float | None``: how long the scores
take that a job has to compute, None if nothing says; ``lacking(config, *, <own keys>) -> str | None``: why a sweep that
skips what is unavailable leaves a job out, None if it does not, instead of what `scorer.lacking` says; and ``STORE``,
the key under `paths` of the folder that it fills.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_exp.config.check import Config


def expected_seconds(config: "Config") -> float | None:
    """Return how long the scores should take that a job has to compute; None if nothing says."""
    expected = getattr(sys.modules[config.task.function.__module__], "expected_seconds", None)
    return None if expected is None else expected(config, **config.task.arguments)


def lacking(config: "Config") -> str | None:
    """Return what a job needs and does not have, such as accuracies that its benchmark lacks; None if nothing."""
    own = getattr(sys.modules[config.task.function.__module__], "lacking", None)
    if own is not None:
        return own(config, **config.task.arguments)
    from nas_exp.scoring.scorer import lacking as lacking_of_scores

    return lacking_of_scores(config)


def store_of(function: Callable[..., object]) -> str | None:
    """Return the key under `paths` of the folder that a task fills; None if it fills none."""
    return getattr(sys.modules[function.__module__], "STORE", None)
