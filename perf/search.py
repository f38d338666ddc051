"""How fast a search on score tables is: `python perf/search.py [--runs N] [--json FILE] [--benchmark KEY=VALUE …]`.

Measures, in one run, searches as `task=search` does them, beside the paper's loops on a pandas table as a notebook has
them (`perf/notebook.py`), and the paper's whole grid as a command, start to `results.csv`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nas_exp.algos import Trajectory, rea, rs  # noqa: E402
from nas_exp.benchmarks import bundled  # noqa: E402
from nas_exp.scoring.scorer import table_scorer  # noqa: E402
from nas_exp.scoring.table import SHIPPED, Scores, ScoreTable  # noqa: E402
from nas_exp.search.run import run_search  # noqa: E402
from nas_exp.spaces.topology import TopologySpace  # noqa: E402
from perf import notebook  # noqa: E402

N, P, S = 1000, 20, 10
SPACE = TopologySpace(C=16, N=5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time searches on score tables.")
    parser.add_argument("--runs", type=int, default=30, help="how many runs of ours (30)")
    parser.add_argument("--plain-runs", type=int, default=3, help="how many runs of the notebook's (3)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--benchmark", nargs="*", default=[], help="overrides for the grid: benchmark=table …")
    arguments = parser.parse_args()
    scores = shipped_scores("cifar10", "synflow")
    benchmark = bundled.load("cifar10", space=SPACE, path=None, store=Path())
    scorer, table = table_scorer(scores, len(SPACE)), notebook.table(scores.score)
    rows = []
    algorithms: list[tuple[str, Callable[..., Trajectory], dict[str, int], Callable[..., object]]] = [
        ("rs", rs.search, {"N": N}, notebook.random_search),
        ("rea", rea.search, {"N": N, "P": P, "S": S}, notebook.evolution),
    ]
    for name, function, keys, plain in algorithms:
        seeds = np.random.SeedSequence(0).spawn(arguments.runs)
        run = partial(run_search, function, SPACE, scorer, benchmark, arguments=keys)
        ours = timed([partial(run, seed=seed) for seed in seeds])
        theirs = timed([partial(plain, table, seed, **keys) for seed in range(arguments.plain_runs)])
        rows.append({"algo": name, "ms": ours, "notebook_ms": theirs, "ratio": theirs / ours})
        print(f"{name:<4} {ours:7.2f} ms a run; pandas {theirs:9.1f} ms, {theirs / ours:,.0f}x; medians", flush=True)
    seconds, jobs = paper_grid(arguments.benchmark)
    print(f"the paper's grid: {jobs} jobs of 30 runs in {seconds:.1f} s, start to results.csv; {os.cpu_count()} cores")
    if arguments.json:
        figures = {"rows": rows, "grid_seconds": seconds, "grid_jobs": jobs, "cores": os.cpu_count()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def shipped_scores(dataset: str, metric: str) -> Scores:
    """Read a table that comes with the package."""
    (description,) = (SHIPPED / dataset).glob(f"{metric}-*/_table.json")
    identity = json.loads(description.read_text(encoding="utf-8"))
    del identity["made_by"]
    return ScoreTable(SHIPPED, identity, len(SPACE)).read()


def timed(calls: list[Callable[[], object]]) -> float:
    """Return the median milliseconds of some calls, the first of which is made once more before, to warm up."""
    calls[0]()
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def paper_grid(overrides: list[str]) -> tuple[float, int]:
    """Run the paper's grid in a folder of its own; return its seconds and its number of jobs."""
    here = []
    for override in overrides:
        key, _, value = override.partition("=")
        here.append(f"{key}={Path(value).resolve()}" if key == "benchmark.path" else override)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, str(ROOT / "run.py"), "-m", "+experiment=paper", *here]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        results = (Path(folder) / "multirun_sweeps/paper/results.csv").read_text(encoding="utf-8")
    return seconds, len(results.splitlines()) - 1


if __name__ == "__main__":
    main()
