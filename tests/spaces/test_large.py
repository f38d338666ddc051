"""A space of 10**18 architectures: searches and files hold what was scored, not the space."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, RunProgram

SEARCHES = r"""
import json, re, sys
from pathlib import Path
import numpy as np
from nas_exp.algos import area, ls, nsga2, rea, rs, tpe, two_stage
from nas_exp.benchmarks import from_rows
from nas_exp.search.results import summarise, trajectory_columns, write_runs
from nas_exp.search.run import run_search
from nas_exp.spaces.space import Space
from nas_exp.storage.parquet import GrowingColumns, read_columns
from nas_exp.testing.algorithm import MadeUpScores

class Grid(Space):
    choices = (tuple(map(str, range(10))),) * 18

space, other = Grid().named("grid", {}), MadeUpScores(1)
benchmark = from_rows("made up", "cifar10", space, np.array([3, 10**17]), {"val_acc": np.array([10.0, 20.0])})
searches = {
    "rs": (rs.search, {"N": 50}, {}),
    "rea": (rea.search, {"N": 50, "P": 10, "S": 5}, {}),
    "ls": (ls.search, {"N": 200, "improvement": "best"}, {}),
    "two_stage": (two_stage.search, {"N": 50, "P": None, "S": 5, "k": 5}, {"final": other}),
    "area": (area.search, {"M": 50, "N": 20, "P": 10, "S": 5}, {"proxy": other}),
    "tpe": (tpe.search, {"N": 30, "startup": 10}, {}),
    "nsga2": (nsga2.search, {"N": 30, "P": 10, "cost": lambda archs: np.asarray(archs) / 1e18}, {}),
}
found = {}
for name, (search, arguments, others) in searches.items():
    runs = [
        run_search(search, space, MadeUpScores(), benchmark, seed=seed, arguments=arguments, others=others)
        for seed in np.random.SeedSequence(0).spawn(2)
    ]
    outcomes = [run.outcome for run in runs]
    write_runs(Path("runs.csv"), outcomes, space)
    with GrowingColumns(Path("trajectory.parquet")) as columns:
        for number, run in enumerate(runs):
            columns.add(trajectory_columns(number, run, space))
        columns.write()
    archs = read_columns(Path("trajectory.parquet"), ["arch_index"])["arch_index"]
    assert archs.tolist() == [arch for run in runs for arch in run.trajectory.arch_index.tolist()]
    assert space.parse(Path("runs.csv").read_text().split('"')[1]) == runs[0].best_arch_index[-1]
    assert summarise(outcomes, space)["val_acc_mean"] is None
    found[name] = int(archs.max())
# not getrusage's peak, which a child takes over from the process that starts it
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 2**10
print(json.dumps({"highest": found, "megabytes": peak, "torch": "torch" in sys.modules}))
"""


def test_every_algorithm_searches_ten_to_the_eighteen_architectures_in_little_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["highest"]) == {"rs", "rea", "ls", "two_stage", "area", "tpe", "nsga2"}
    assert all(2**31 < arch < 10**18 for arch in told["highest"].values())
    assert told["megabytes"] < 300
    assert not told["torch"]


def grid(folder: Path) -> list[str]:
    """Give the space a file; return the arguments that choose it."""
    (folder / "mine/space").mkdir(parents=True)
    yaml = "# Made up.\nname: grid\n_target_: tests.spaces.grid.Grid\n"
    (folder / "mine/space/grid.yaml").write_text(yaml, encoding="utf-8")
    return ["--config-dir", str(folder / "mine"), "space=grid", "metric=synflow", "metric.network=modules"]


def test_the_whole_of_a_large_space_is_refused_in_a_line(program: RunProgram, tmp_path: Path) -> None:
    chosen = grid(tmp_path)
    search = program(*chosen, "algo=rs", "algo.N=null", PYTHONPATH=str(ROOT))
    assert search.returncode == 2
    size = "1,000,000,000,000,000,000 architectures"
    assert search.stderr == f"error: algo.N=null: space=grid has {size}; expected a number\n"
    scoring = program(*chosen, "task=score", PYTHONPATH=str(ROOT))
    assert scoring.returncode == 2
    assert scoring.stderr.startswith(f"error: task.archs=null: space=grid has {size}; expected a list")


def test_a_sample_of_a_large_space_is_scored(program: RunProgram, tmp_path: Path) -> None:
    chosen = [*grid(tmp_path), "task=score", "task.sample=3"]
    first = program(*chosen, "name=a", PYTHONPATH=str(ROOT))
    assert first.returncode == 0, first.stderr
    again = program(*chosen, "name=b", PYTHONPATH=str(ROOT))
    computed = [json.loads((tmp_path / f"outputs/{name}/summary.json").read_text())["computed"] for name in "ab"]
    assert again.returncode == 0
    assert computed == [3, 0]
    (table,) = (tmp_path / "data/scores/cifar10").glob("synflow-*/_table.json")
    assert json.loads(table.read_text())["space"] == "grid"
