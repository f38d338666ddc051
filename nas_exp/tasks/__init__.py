"""What a job can do. A task is one module with ``run(config, folder, *, <own keys>) -> Summary``.

It writes its files into `folder` and returns the summary that becomes ``summary.json`` and the job's row in a sweep's
``results.csv``. A module may also have ``expected_seconds(config, *, <own keys>) -> float | None``: how long the scores
take that a job has to compute, None if that is not known; ``lacking(config, *, <own keys>) -> str | None``: why a sweep
that skips unavailable jobs leaves a job out, None if it does not; ``STORE``, the key under `paths` of the folder
that it fills; and ``SEARCHES = True`` if it runs the algorithm, whose budget must then fit the space.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_exp.config.types import Config


def expected_seconds(config: "Config") -> float | None:
    """Return how long the scores should take that a job has to compute; None if nothing says."""
    expected = getattr(sys.modules[config.task.function.__module__], "expected_seconds", None)
    return None if expected is None else expected(config, **config.task.arguments)


def lacking(config: "Config") -> str | None:
    """Return what a job needs and does not have, such as accuracies that its benchmark lacks; None if nothing."""
    own = getattr(sys.modules[config.task.function.__module__], "lacking", None)
    return None if own is None else own(config, **config.task.arguments)
