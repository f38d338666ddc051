"""How a sweep ends: one table in a file and on the terminal, and the names of the jobs that failed."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nas_exp.report.table import print_table
from nas_exp.sweeps import RESULTS, Job, JobsFailedError, collect, reason


def close(sweep: Path, jobs: Sequence[Job]) -> None:
    """Write ``results.csv``, print the table over all finished jobs, and name those that failed.

    Raises:
        JobsFailedError: there are some.
    """
    finished, failed = collect(sweep, jobs)
    shown = [{key: value for key, value in row.items() if key != "job"} for row in finished]
    print_table(shown, title=f"{len(finished)} of {len(jobs)} jobs finished: results in {sweep / RESULTS}")
    for job in failed:
        print(f"failed: {sweep / job.folder}: {reason(sweep / job.folder)}", file=sys.stderr)
    if failed:
        raise JobsFailedError(f"{len(failed)} of {len(jobs)} jobs failed")
