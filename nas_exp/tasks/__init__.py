"""What a job can do. A task is one module with ``run(config, folder, *, <own keys>) -> Summary``.

It writes its files into `folder` and returns the summary that becomes ``summary.json`` and the job's row in a sweep's
``results.csv``.
"""

Summary = dict[str, str | int | float | None]
"""Flat, JSON-ready; None where there is nothing to say."""
