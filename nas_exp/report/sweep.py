"""How a sweep ends: one table in a file and on the terminal, and the names of the jobs that failed."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nas_exp.report.table import print_table
from nas_exp.sweeps import RESULTS, Job, JobsFailedError, collect, reason


def close(sweep: Path, jobs: Sequence[Job], cause: Exception | None = None) -> None:
    """Write ``results.csv``, print the table over all finished jobs, and name those that failed.

    Args:
        sweep: the folder of the sweep.
        jobs: all of its jobs.
        cause: what ended the sweep early; told for jobs that left no error of their own.

    Raises:
        JobsFailedError: there are some.
    """
    finished, failed = collect(sweep, jobs)
    shown = [{key: value for key, value in row.items() if key != "job"} for row in finished]
    print_table(shown, title=f"{len(finished)} of {len(jobs)} jobs finished: results in {sweep / RESULTS}")
    for job in failed:
        why = reason(sweep / job.folder) or f"no error of its own; the sweep ended with {_one_line(cause)}"
        print(f"failed: {sweep / job.folder}: {why}", file=sys.stderr)
    if failed:
        raise JobsFailedError(f"{len(failed)} of {len(jobs)} jobs failed")


def _one_line(cause: Exception | None) -> str:
    return "no error" if cause is None else f"{type(cause).__name__}: {' '.join(str(cause).split())}"
