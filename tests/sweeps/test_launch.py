"""Launching jobs with launchers that fail in all the ways that real ones do."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus

from nas_exp.storage.locks import lock
from nas_exp.storage.summary import STARTED
from nas_exp.sweeps.jobs import Job
from nas_exp.sweeps.launch import run_jobs


def jobs_of(*names: str) -> list[Job]:
    return [Job((name,), name) for name in names]


class Launcher:
    """Runs two jobs at a time; what a name begins with says what becomes of it. A kill ends all that is running."""

    def __init__(self, sweep: Path) -> None:
        self.sweep, self.launched = sweep, list[list[str]]()

    def __call__(self, jobs: Sequence[Job]) -> list[JobReturn]:
        self.launched.append([job.folder for job in jobs])
        returned = []
        for start in range(0, len(jobs), 2):
            together = jobs[start : start + 2]
            for job in together:
                (self.sweep / job.folder / STARTED).parent.mkdir(parents=True, exist_ok=True)
                (self.sweep / job.folder / STARTED).touch()
            if any(job.folder.startswith("deadly") for job in together):
                raise RuntimeError("a worker was\nkilled")
            if any(job.folder.startswith("last words") for job in together):
                for job in together:
                    self._run(Job(("bad",), job.folder) if job.folder.startswith("last") else job)
                    (self.sweep / job.folder / "error.txt").write_text("last words\n")
                raise RuntimeError("a result could not be handed over")
            if any(job.folder.startswith("interrupted") for job in together):
                raise KeyboardInterrupt
            returned += [self._run(job) for job in together]
        return returned

    def _run(self, job: Job) -> JobReturn:
        folder, result = self.sweep / job.folder, JobReturn()
        if job.folder.startswith("good"):
            (folder / "summary.json").write_text(json.dumps({}))
            result.status = JobStatus.COMPLETED
            return result
        result.status, result.return_value = JobStatus.FAILED, ValueError("why")
        if job.folder.startswith("bad"):
            (folder / "error.txt").write_text("its own words\n")
        return result


def results(sweep: Path) -> dict[str, str]:
    return {
        folder.name: "good" if (folder / "summary.json").exists() else (folder / "error.txt").read_text()
        for folder in sweep.iterdir()
        if (folder / "summary.json").exists() or (folder / "error.txt").exists()
    }


def test_every_job_leaves_a_result_or_an_error(tmp_path: Path) -> None:
    launch = Launcher(tmp_path)
    assert run_jobs(tmp_path, jobs_of("good1", "bad", "lost", "good2"), launch) is None
    assert results(tmp_path) == {
        "good1": "good",
        "good2": "good",
        "bad": "its own words\n",
        "lost": "ended without a word: ValueError: why\n",
    }
    assert len(launch.launched) == 1


def test_a_job_that_kills_its_process_takes_no_other_along(tmp_path: Path) -> None:
    launch = Launcher(tmp_path)
    names = ("good1", "good2", "good3", "deadly1", "good4", "good5", "deadly2")
    assert run_jobs(tmp_path, jobs_of(*names), launch) is None
    found = results(tmp_path)
    assert sorted(name for name in found if found[name] == "good") == ["good1", "good2", "good3", "good4", "good5"]
    for name in ("deadly1", "deadly2"):
        assert found[name] == "ended without a word: RuntimeError: a worker was killed\n"
    # those that had not started first, and only what had is launched alone
    assert launch.launched[:2] == [list(names), ["good4", "good5", "deadly2"]]
    assert all(len(batch) == 1 for batch in launch.launched[2:])


def test_a_launcher_that_breaks_after_its_jobs_have_ended_goes_on(tmp_path: Path) -> None:
    launch = Launcher(tmp_path)
    assert run_jobs(tmp_path, jobs_of("last words1", "last words2", "good1", "last words3", "good2"), launch) is None
    assert {name: told for name, told in results(tmp_path).items() if name.startswith("last")} == {
        f"last words{number}": "last words\n" for number in (1, 2, 3)
    }


def test_a_launcher_that_starts_nothing_is_the_cause(tmp_path: Path) -> None:
    def broken(jobs: Sequence[Job]) -> list[JobReturn]:
        raise ValueError("no such backend")

    cause = run_jobs(tmp_path, jobs_of("a", "b"), broken)
    assert isinstance(cause, ValueError)
    assert not results(tmp_path)


def test_an_interrupt_ends_all(tmp_path: Path) -> None:
    launch = Launcher(tmp_path)
    cause = run_jobs(tmp_path, jobs_of("good1", "good2", "interrupted", "good3", "good4"), launch)
    assert isinstance(cause, KeyboardInterrupt)
    assert results(tmp_path) == {"good1": "good", "good2": "good"}
    assert len(launch.launched) == 1


def test_progress_over_jobs_counts_failures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run_jobs(tmp_path, jobs_of("good1", "bad", "good2"), Launcher(tmp_path))
    assert f"jobs of {tmp_path.name}: 3/3 jobs (1 failed)" in caplog.text


def test_so_many_jobs_at_a_time(tmp_path: Path) -> None:
    launch = Launcher(tmp_path)
    assert run_jobs(tmp_path, jobs_of("good1", "bad", "good2"), launch, at_most=2) is None
    assert launch.launched == [["good1", "bad"], ["good2"]]


def test_jobs_that_outlive_their_launcher_are_waited_for(tmp_path: Path) -> None:
    launched: list[list[str]] = []

    def launch(jobs: Sequence[Job]) -> list[JobReturn]:
        launched.append([job.folder for job in jobs])
        started = threading.Event()
        threading.Thread(target=outlive, args=(tmp_path / jobs[0].folder, started)).start()
        started.wait()
        raise RuntimeError("another job was killed")

    def outlive(folder: Path, started: threading.Event) -> None:
        (folder / STARTED).parent.mkdir(parents=True)
        (folder / STARTED).touch()
        with lock(folder, wait=True):
            started.set()
            time.sleep(0.5)
            (folder / "summary.json").write_text("{}")

    assert run_jobs(tmp_path, jobs_of("slow"), launch) is None
    assert launched == [["slow"]]
    assert results(tmp_path) == {"slow": "good"}
