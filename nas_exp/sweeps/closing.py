"""The tables of a sweep on the terminal: its jobs before it starts, their results and failures when it ends."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nas_exp.errors import InputError, describe
from nas_exp.storage.summary import STARTED, Digest, State, Summary, read_error
from nas_exp.sweeps.jobs import RESULTS, Job, JobsFailedError, collect, write_results
from nas_exp.terminal import duration, print_table


def list_jobs(
    sweep: Path, states: Mapping[Job, State], run: Sequence[Job], expected_seconds: Callable[[Job], float | None]
) -> None:
    """Print the jobs of a sweep, the state of each, and how long the scores of those to run should take.

    Args:
        sweep: the folder of the sweep.
        states: what an earlier run has left of each job.
        run: the jobs that would be run.
        expected_seconds: how long the scores that a job lacks should take, None if unknown. It may raise `InputError`
            for a job that cannot run.
    """
    expected = {job: _expected(job, expected_seconds) for job in run}
    rows: list[Summary] = [
        {"folder": job.folder, "state": str(found), "scores take": _shown(expected[job]) if job in expected else "-"}
        for job, found in states.items()
    ]
    known = [seconds for seconds in expected.values() if isinstance(seconds, float)]
    # jobs that share a table share what it lacks
    total = f"scores that they lack take at most about {duration(sum(known))}, one job at a time"
    if unknown := len(run) - len(known):
        total += f", and an unknown time for {unknown}"
    print_table(rows, title=f"{sweep}: {len(run)} of {len(rows)} jobs to run; {total}")


def _expected(job: Job, expected_seconds: Callable[[Job], float | None]) -> float | str | None:
    """Return how long a job's scores should take, None if unknown, or why it cannot run."""
    try:
        return expected_seconds(job)
    except InputError as error:
        return f"cannot run: {error}"


def _shown(seconds: float | str | None) -> str:
    return seconds if isinstance(seconds, str) else "unknown" if seconds is None else duration(seconds)


def close(
    sweep: Path,
    hashes: Mapping[Job, str],
    cause: BaseException | None,
    *,
    again: str,
    benchmarks: Mapping[Job, Digest],
) -> None:
    """Write ``results.csv``, print one table over all finished jobs, and name those that failed.

    Args:
        sweep: the folder of the sweep.
        hashes: all of its jobs, with the hash of their configuration.
        cause: the error that ended the sweep early, printed for jobs that left no error of their own.
        again: the command that runs what is missing.
        benchmarks: see `nas_exp.storage.summary.state`.

    Raises:
        JobsFailedError: some jobs have failed.
        KeyboardInterrupt: it was the cause.
        OSError: all jobs have finished, and ``results.csv`` cannot be written.
    """
    finished, failed = collect(sweep, hashes, benchmarks)
    unwritten = None
    try:
        write_results(sweep, finished)
    except OSError as error:
        unwritten = error
    place = f"in {sweep / RESULTS}" if unwritten is None else "of each in its folder"
    print_table(finished, title=f"{len(finished)} of {len(hashes)} jobs finished: results {place}")
    if not isinstance(cause, KeyboardInterrupt):
        for job in failed:
            print(f"failed: {sweep / job.folder}: {_why(sweep / job.folder, cause)}", file=sys.stderr)
    if failed:
        print(f"to run what is missing: {again}", file=sys.stderr)
    if isinstance(cause, KeyboardInterrupt):
        raise cause
    if failed and unwritten is not None:
        print(describe(unwritten), file=sys.stderr)
    elif unwritten is not None:
        raise unwritten
    if failed:
        raise JobsFailedError(f"{len(failed)} of {len(hashes)} jobs failed")


def _why(folder: Path, cause: BaseException | None) -> str:
    """Return why a job has no result: its own error, the error that ended the sweep, or that it was not run."""
    if (error := read_error(folder)) is not None:
        return error
    if cause is not None:
        return f"left no error; the sweep ended with {describe(cause)}"
    return "left no error" if (folder / STARTED).exists() else "was not run"
