"""How a sweep ends: one table in a file and on the terminal, and the names of the jobs that failed."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nas_exp.report.table import print_table
from nas_exp.sweeps import RESULTS, Job, JobsFailedError, collect, reason


def close(sweep: Path, jobs: Sequence[Job], cause: BaseException | None = None) -> None:
    """Write ``results.csv``, print the table over all finished jobs, and name those that failed.

    Args:
        sweep: the folder of the sweep.
        jobs: all of its jobs.
        cause: what ended the sweep early; told for jobs that left no error of their own.

    Raises:
        JobsFailedError: some jobs have failed.
        KeyboardInterrupt: it was the cause.
    """
    finished, failed = collect(sweep, jobs)
    print_table(finished, title=f"{len(finished)} of {len(jobs)} jobs finished: results in {sweep / RESULTS}")
    if isinstance(cause, KeyboardInterrupt):
        raise cause
    ending = "" if cause is None else f"; the sweep ended with {type(cause).__name__}: {' '.join(str(cause).split())}"
    for job in failed:
        why = reason(sweep / job.folder) or f"left no error{ending}"
        print(f"failed: {sweep / job.folder}: {why}", file=sys.stderr)
    if failed:
        raise JobsFailedError(f"{len(failed)} of {len(jobs)} jobs failed")
