"""Running the jobs of a sweep through Hydra's launcher, so that a job whose process dies fails alone."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn

from nas_exp.errors import InputError, describe, is_about_disk
from nas_exp.storage.files import write_text
from nas_exp.storage.locks import is_locked
from nas_exp.storage.processes import end_workers_with_us
from nas_exp.storage.summary import ERROR, STARTED, SUMMARY
from nas_exp.sweeps.jobs import Job
from nas_exp.terminal import Advance, progress

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Job]], Sequence[JobReturn]]
"""Runs jobs and returns their results and errors. It raises if it cannot, as when a process was killed."""

_SECONDS_BETWEEN_LOOKS = 1.0


def run_jobs(sweep: Path, jobs: Sequence[Job], launch: Launch, *, at_most: int | None = None) -> BaseException | None:
    """Run jobs; each leaves a result or an error in its folder, unless all are interrupted.

    A process that is killed takes down the launcher. With some launchers all jobs that it runs die as well; with
    others, as on a cluster, they run on, and we wait for them. Then the jobs that had not started are launched again,
    and after them those that had, in halves, until a job whose process is killed is launched alone, and has failed. A
    job that is thus queued twice runs once: the second process finds the result of the first.

    Args:
        sweep: the folder of the sweep.
        jobs: its jobs, opened with `nas_exp.sweeps.jobs.open_sweep`.
        launch: runs some of them.
        at_most: how many are launched at a time; None: all.

    Returns:
        The error that ended the sweep before some jobs left a result or an error, or the error of a job that could not
        be written; None if there is neither.
    """
    if not jobs:
        return None
    end_workers_with_us()
    size, unwritten = at_most or len(jobs), None
    batches = [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]
    with _watched(sweep, jobs):
        while batches:
            batch = batches.pop(0)
            try:
                for job, returned in zip(batch, launch(batch), strict=True):
                    unwritten = _note_error(sweep / job.folder, returned) or unwritten
            except KeyboardInterrupt as interrupt:
                return interrupt
            except Exception as error:
                _wait_for(sweep, batch)
                left = [job for job in batch if not _has_ended(sweep / job.folder)]
                started = [job for job in left if (sweep / job.folder / STARTED).exists()]
                if is_about_disk(error):  # the log or the configuration of a job, which Hydra does not name
                    return OSError(error.errno, error.strerror, error.filename or str(sweep))
                if len(left) == len(batch) and not started:  # it is not about a job
                    return error
                if len(batch) == 1 and left:
                    unwritten = _write_error(sweep / batch[0].folder, error) or unwritten
                    continue
                log.warning("a job has ended its process (%s); %d jobs are launched again", describe(error), len(left))
                half = len(started) // 2
                parts = [job for job in left if job not in started], started[:half], started[half:]
                batches = [*(part for part in parts if part), *batches]
    return unwritten


def _wait_for(sweep: Path, jobs: Sequence[Job]) -> None:
    """Wait until no process works on any of the jobs."""
    while running := sum(is_locked(sweep / job.folder) for job in jobs):
        log.debug("waiting for %d jobs that run on", running)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _has_ended(folder: Path) -> bool:
    return (folder / SUMMARY).exists() or (folder / ERROR).exists()


def _note_error(folder: Path, returned: JobReturn) -> Exception | None:
    """Write the error of a job that could not do so itself, as when a cluster has killed it."""
    try:
        _ = returned.return_value
    except Exception as error:
        if not _has_ended(folder):
            return _write_error(folder, error)
    return None


def _write_error(folder: Path, error: Exception) -> Exception | None:
    """Write the error of a job into its folder; return the error if that fails."""
    text = str(error) if isinstance(error, InputError) else f"ended without a word: {describe(error)}"
    try:
        write_text(folder / ERROR, f"{text}\n")
    except OSError:
        return error
    return None


@contextlib.contextmanager
def _watched(sweep: Path, jobs: Sequence[Job]) -> Iterator[None]:
    """Show during the block how many jobs are done, have failed and are left, by the files in their folders."""
    stopped = threading.Event()

    def watch(advance: Advance) -> None:
        left = set(jobs)
        while True:
            last = stopped.wait(_SECONDS_BETWEEN_LOOKS)
            ended = [job for job in left if _has_ended(sweep / job.folder)]
            left.difference_update(ended)
            advance(len(ended), failed=sum(not (sweep / job.folder / SUMMARY).exists() for job in ended))
            if last:
                return

    with progress(f"jobs of {sweep.name}", len(jobs), "jobs", bar=False) as advance:
        watcher = threading.Thread(target=watch, args=(advance,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stopped.set()
            watcher.join()
