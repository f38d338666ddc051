"""What a sweep will do, and how it ends: tables on the terminal, and the names of the jobs that failed."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas_exp.config.types import Config
from nas_exp.errors import InputError, in_short
from nas_exp.report.table import print_table
from nas_exp.sweeps.jobs import RESULTS, STARTED, Job, JobsFailedError, State, collect, reason, write_results
from nas_exp.tasks import Summary, expected_seconds
from nas_exp.terminal import duration


def list_jobs(sweep: Path, configs: Mapping[Job, Config], states: Mapping[Job, State], run: Sequence[Job]) -> None:
    """Print the jobs of a sweep, what there is of each, and how long the scores of those to run should take.

    Args:
        sweep: the folder of the sweep.
        configs: its jobs.
        states: what is there of each.
        run: those that would be run.
    """
    told = {job: _expected(configs[job]) for job in run}
    rows: list[Summary] = [
        {"folder": job.folder, "state": str(states[job]), "scores take": _shown(told[job]) if job in told else "-"}
        for job in configs
    ]
    known = [seconds for seconds in told.values() if isinstance(seconds, float)]
    # jobs that share a table share what it lacks
    total = f"scores that they lack take at most about {duration(sum(known))}, one job at a time"
    if unknown := len(run) - len(known):
        total += f", and an unknown time for {unknown}"
    print_table(rows, title=f"{sweep}: {len(run)} of {len(rows)} jobs to run; {total}")


def _expected(config: Config) -> float | str | None:
    """Return how long a job's scores should take, None if nothing says, or why it cannot run at all."""
    try:
        return expected_seconds(config)
    except InputError as error:
        return f"cannot run: {error}"


def _shown(seconds: float | str | None) -> str:
    return seconds if isinstance(seconds, str) else "unknown" if seconds is None else duration(seconds)


def close(sweep: Path, hashes: Mapping[Job, str], cause: BaseException | None, *, again: str) -> None:
    """Write ``results.csv``, print the table over all finished jobs, and name those that failed.

    Args:
        sweep: the folder of the sweep.
        hashes: all of its jobs, with the hash of their configuration.
        cause: what ended the sweep early; told for jobs that left no error of their own.
        again: the command that runs what is missing.

    Raises:
        JobsFailedError: some jobs have failed.
        KeyboardInterrupt: it was the cause.
        OSError: all jobs have finished, and ``results.csv`` cannot be written.
    """
    finished, failed = collect(sweep, hashes)
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
        print(in_short(unwritten), file=sys.stderr)
    elif unwritten is not None:
        raise unwritten
    if failed:
        raise JobsFailedError(f"{len(failed)} of {len(hashes)} jobs failed")


def _why(folder: Path, cause: BaseException | None) -> str:
    """Return why a job has no result: its error, what ended the sweep, or that it was not asked for."""
    if (told := reason(folder)) is not None:
        return told
    if cause is not None:
        return f"left no error; the sweep ended with {in_short(cause)}"
    return "left no error" if (folder / STARTED).exists() else "was not run"
