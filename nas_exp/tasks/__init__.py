"""What a job can do. A task is one module with ``run(config, folder, *, <own keys>) -> Summary``.

It writes its files into `folder` and returns the summary that becomes ``summary.json`` and the job's row in a sweep's
``results.csv``.
"""

from collections.abc import Mapping, Sequence

Summary = dict[str, str | int | float | None]
"""Flat, JSON-ready; None where there is nothing to say."""


def all_keys(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the keys of all rows in a common order: that of the longest row, then what it lacks."""
    return list(dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row))
