"""What jobs and tables cost beside the scores: `python perf/cluster.py [--json FILE] [--launcher NAME …]`.

Measures, in one run, the time that a job of a sweep adds with each launcher, what closing a sweep of many jobs takes,
and the size of score tables and the time to write and read them: what docs/cluster.md reckons with.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nas_exp.storage.parquet import read_columns, write_columns  # noqa: E402
from nas_exp.storage.summary import SUMMARY, read_summary  # noqa: E402
from nas_exp.sweeps.jobs import Job, collect  # noqa: E402

JOBS = 12
FEW = 2
CLOSED = 1000
ROWS = (15_625, 1_000_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time what jobs and tables cost beside the scores.")
    parser.add_argument(
        "--launcher", nargs="*", default=["joblib", "submitit_local", "ray"], help="(all that run here)"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    figures: dict[str, object] = {"cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as temporary:
        for launcher in arguments.launcher:
            few, many = (sweep_seconds(Path(temporary) / launcher, launcher, jobs) for jobs in (FEW, JOBS))
            job = (many - few) / (JOBS - FEW)
            print(
                f"{launcher:<16}{FEW} jobs in {few:.1f} s, {JOBS} in {many:.1f} s: {job:.2f} s a further job",
                flush=True,
            )
            figures[launcher] = {"few_seconds": few, "many_seconds": many, "job_seconds": job}
        if arguments.launcher:
            first = next((Path(temporary) / arguments.launcher[0]).glob(f"multirun_sweeps/*/*/{SUMMARY}")).parent
            figures["close_seconds"] = closing = closing_seconds(first, Path(temporary) / "closed")
            print(f"closing a sweep of {CLOSED} jobs: {closing:.2f} s")
        for rows in ROWS:
            size, writing, reading = table_costs(Path(temporary) / "part.parquet", rows)
            print(f"{rows} scores: {size / rows:.1f} bytes each, written in {writing:.2f} s, read in {reading:.2f} s")
            figures[f"table_{rows}"] = {"bytes": size, "write_seconds": writing, "read_seconds": reading}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def sweep_seconds(folder: Path, launcher: str, jobs: int) -> float:
    """Time a sweep of small searches on a shipped table, from start to end."""
    folder.mkdir(exist_ok=True)
    sweep = ("-m", f"hydra/launcher={launcher}", "algo=rs", "algo.N=10", "runs=1", f"seed=range(0,{jobs})")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *sweep, "metric.seed=0", f"name={jobs}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def closing_seconds(job: Path, sweep: Path) -> float:
    """Time the collection of many results, all copies of a job's."""
    summary = read_summary(job)
    assert summary is not None
    hashes = {Job((str(number),), str(number)): str(summary["config_hash"]) for number in range(CLOSED)}
    for copy in hashes:
        shutil.copytree(job, sweep / copy.folder)
    start = time.perf_counter()
    finished, failed = collect(sweep, hashes)
    assert (len(finished), len(failed)) == (CLOSED, 0)
    return time.perf_counter() - start


def table_costs(path: Path, rows: int) -> tuple[int, float, float]:
    """Return the bytes of a part with so many random scores, and the seconds to write and to read it."""
    rng = np.random.default_rng(0)
    columns: dict[str, npt.NDArray[Any]] = {
        "arch_index": np.arange(rows, dtype=np.int32),
        "score": rng.normal(size=rows),
        "seconds": rng.lognormal(size=rows).astype(np.float32),
    }
    start = time.perf_counter()
    write_columns(path, columns)
    written = time.perf_counter()
    read_columns(path, list(columns))
    return path.stat().st_size, written - start, time.perf_counter() - written


if __name__ == "__main__":
    main()
