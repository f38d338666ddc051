"""Kills: work that is killed at random moments and taken up again, until it is done.

`python -m tests.tools.kills --count 100` kills scorings, sweeps and, if `NAS_EXP_TEST_DATA` names the folder of real
data, imports with SIGKILL, looks after each whether all that was finished is still there, and compares the end with
undisturbed work. It prints what it saw, and exits with 1 if anything was lost, unreadable or different.

`python -m tests.tools.kills --resume 120` kills a sweep of so many jobs when half of them are done, resumes it, and
compares the time that both took with that of an undisturbed one.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nas_exp.storage.parquet import read_columns
from nas_exp.storage.seals import SEAL

ROOT = Path(__file__).parents[2]

Results = Mapping[Any, Any]
"""What is finished of some work, by name; the seconds that things took left out."""


@dataclass(frozen=True)
class Work:
    """Something that can be killed."""

    name: str
    command: tuple[str, ...]
    finished: Callable[[Path], Results]
    """Reads what is finished in the folder that the command is run from."""


@dataclass
class Tally:
    """What was seen."""

    kills: int = 0
    completions: int = 0
    lost: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.lost or self.unreadable or self.different)


def scores(folder: Path) -> Results:
    """All scores, by table and architecture."""
    found: dict[Any, Any] = {}
    for part in folder.glob("data/scores/*/*/part-*.parquet"):
        try:
            columns = read_columns(part, ("arch_index", "score"))
        except FileNotFoundError:
            return scores(folder)  # merged meanwhile
        found |= {(part.parent.name, arch): score for arch, score in zip(*map(list, columns.values()), strict=True)}
    return found


def finished_jobs(folder: Path) -> Results:
    """What the finished jobs of a sweep found, by job."""
    found = {}
    for summary in folder.glob("multirun_sweeps/*/*/summary.json"):
        told = json.loads(summary.read_text(encoding="utf-8"))
        found[summary.parent.name] = {key: value for key, value in told.items() if key not in ("seconds_mean", SEAL)}
    return found


def imported(folder: Path) -> Results:
    """What is imported of an archive, by architecture."""
    rows: dict[Any, Any] = {}
    for part in folder.glob("data/benchmarks/*/parts/[0-9]*.parquet"):
        for row in pq.read_table(part).to_pylist():
            rows[row["nats_index"]] = {key: value for key, value in row.items() if key != "stamp"}
    return rows


def works(archive: Path | None) -> list[Work]:
    """Return what is killed."""
    small = ("network.C=4", "network.N=1")
    run = (sys.executable, str(ROOT / "run.py"))
    found = [
        Work("scoring", (*run, "task=score", "task.limit=4000", "network.C=8", "network.N=3", "n_jobs=2"), scores),
        Work(
            "suite",
            (
                *(*run, "task=score", "metric=suite", "metric.members=[synflow,log_synflow,l2_norm]", "n_jobs=2"),
                *("task.limit=1500", "network.C=8", "network.N=2"),
            ),
            scores,
        ),
        Work(
            "sweep",
            (*run, "-m", "algo=rs,rea", "algo.N=30", "seed=range(0,12)", "runs=2", "name=killed", *small),
            finished_jobs,
        ),
    ]
    if archive is not None:
        command = (*run, "task=import", "benchmark=nats", f"benchmark.path={archive}", "n_jobs=2")
        found.append(Work("import", command, imported))
    return found


def kill_and_resume(work: Work, folder: Path, drawn: random.Random, longest: float, tally: Tally) -> bool:
    """Run some work until it is done or killed; return whether it is done.

    Args:
        work: the work.
        folder: where it is run; what is there is taken up.
        drawn: draws the moment.
        longest: the latest moment, in seconds.
        tally: is kept.
    """
    process = start(work, folder)
    deadline = time.monotonic() + drawn.uniform(0.2, longest)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    before = read(work, folder, tally)
    if process.poll() is not None:
        if process.returncode != 0:
            tally.different.append(f"{work.name}: ended with exit code {process.returncode}")
        tally.completions += 1
        return True
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    tally.kills += 1
    after = read(work, folder, tally)
    gone = [name for name in before if name not in after or after[name] != before[name]]
    if gone:
        tally.lost.append(f"{work.name}: {len(gone)} finished results, as {gone[0]}")
    return False


def read(work: Work, folder: Path, tally: Tally) -> Results:
    """Read what is finished; what cannot be read is kept in the tally."""
    try:
        return work.finished(folder)
    except Exception as error:
        tally.unreadable.append(f"{work.name}: {error}")
        return {}


def start(work: Work, folder: Path) -> "subprocess.Popen[bytes]":
    """Start some work as the leader of a process group of its own."""
    return subprocess.Popen(
        work.command,
        cwd=folder,
        env={**os.environ, "NAS_EXP_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(count: int, seed: int, archive: Path | None) -> Tally:
    """Kill `count` times, all kinds of work in turn, and compare every piece that gets done with undisturbed work."""
    tally, drawn = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        kinds = works(archive)
        expected: dict[str, Results] = {}
        longest: dict[str, float] = {}
        for work in kinds:
            folder = fresh(Path(temporary) / f"{work.name}-undisturbed")
            begin = time.monotonic()
            if start(work, folder).wait() != 0:
                raise RuntimeError(f"{work.name} fails undisturbed: {' '.join(work.command)}")
            expected[work.name], longest[work.name] = work.finished(folder), time.monotonic() - begin
        folders = {work.name: fresh(Path(temporary) / work.name) for work in kinds}
        while tally.kills < count:
            for work in kinds:
                if kill_and_resume(work, folders[work.name], drawn, longest[work.name], tally):
                    compare(work, folders[work.name], expected[work.name], tally)
                    fresh(folders[work.name])
        for work in kinds:
            if (code := start(work, folders[work.name]).wait()) != 0:
                tally.different.append(f"{work.name}: ended with exit code {code}")
            compare(work, folders[work.name], expected[work.name], tally)
    return tally


def resume(jobs: int) -> bool:
    """Kill a sweep when half of its jobs are done, resume it and tell; return whether all finished jobs were kept."""
    run = (sys.executable, str(ROOT / "run.py"))
    one = ("algo=rs", "algo.N=400", "runs=1", "network.C=8", "network.N=2", "name=killed")
    work = Work("sweep", (*run, "-m", f"seed=range(0,{jobs})", *one), finished_jobs)
    with tempfile.TemporaryDirectory() as temporary:
        undisturbed, disturbed = (fresh(Path(temporary) / name) for name in ("undisturbed", "disturbed"))
        begin = time.monotonic()
        if start(work, undisturbed).wait() != 0:
            raise RuntimeError(f"the sweep fails undisturbed: {' '.join(work.command)}")
        whole = time.monotonic() - begin
        begin = time.monotonic()
        process = start(work, disturbed)
        while process.poll() is None and len(written(disturbed)) < jobs // 2:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        before = written(disturbed)
        code = start(work, disturbed).wait()
        halves = time.monotonic() - begin
        after = written(disturbed)
        kept = {name: after.get(name) for name in before} == before
        same = finished_jobs(disturbed) == finished_jobs(undisturbed)
    print(
        f"a sweep of {jobs} jobs: {whole:.1f} s; killed with {len(before)} done and resumed (exit code {code}): "
        f"{halves:.1f} s, {100 * (halves / whole - 1):+.1f} %; finished jobs {'kept' if kept else 'NOT kept'}; "
        f"results {'the same' if same else 'NOT the same'}"
    )
    return kept and same and code == 0


def written(folder: Path) -> dict[str, int]:
    """When the summary of each finished job was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("multirun_sweeps/*/*/summary.json")}


def fresh(folder: Path) -> Path:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def compare(work: Work, folder: Path, expected: Results, tally: Tally) -> None:
    """Compare what some work came to with what it comes to undisturbed."""
    found = read(work, folder, tally)
    if found != expected:
        tally.different.append(f"{work.name}: {len(found)} results, {len(expected)} undisturbed")
    damaged = [str(path.relative_to(folder)) for path in folder.rglob("*damaged*")]
    tally.unreadable += [f"{work.name}: {path}" for path in damaged]


def make_archive(original: Path, folder: Path, architectures: int) -> Path:
    """Make an archive of many architectures, with shortened results, out of an original one."""
    from tests.benchmarks.test_nats import META, file_of, read, shortened, write

    meta, results = read(original / META), read(file_of(original, 0))
    write(folder / META, meta)
    for index in range(architectures):
        write(file_of(folder, index), shortened(results, index, meta["meta_archs"][index]))
    return folder


def main() -> int:
    """Kill and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=int, metavar="JOBS", help="kill one sweep of so many jobs and resume it")
    arguments = parser.parse_args()
    if arguments.resume is not None:
        return int(not resume(arguments.resume))
    data = os.environ.get("NAS_EXP_TEST_DATA")
    with tempfile.TemporaryDirectory() as folder:
        original = None if data is None else Path(data) / "nats/NATS-tss-v1_0-3ffb9-simple"
        archive = None if original is None else make_archive(original, Path(folder) / original.name, 640)
        tally = kill(arguments.count, arguments.seed, archive)
    print(f"{tally.kills} kills; pieces of work that got done between them: {tally.completions}")
    for name in ("lost", "unreadable", "different"):
        told = getattr(tally, name)
        print(f"{name}: {len(told)}", *told, sep="\n  ")
    if archive is None:
        print("imports were not tried: NAS_EXP_TEST_DATA is not set")
    return int(not tally.is_clean)


if __name__ == "__main__":
    sys.exit(main())
