"""Jobs of searches that differ by seed alone count together."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas_exp.report.evidence import gather
from nas_exp.report.reading import read_sweep
from nas_exp.report.search_tables import anytime_table
from nas_exp.tasks.report import build, facts
from tests.conftest import RunProgram
from tests.job_files import BASIC, only, rows


@pytest.fixture(scope="module")
def finished(program_in: RunProgram, tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Path:
    """A sweep over seeds; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("seeds")
    done = program_in(
        folder, "-m", "metric=val_acc", "algo=rs,rea", "algo.N=25", "runs=2", "seed=range(12)", "name=seeds", BASIC,
        "benchmark=table", f"benchmark.path={tables}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "multirun_sweeps/seeds"


def test_their_runs_are_those_of_one_search(finished: Path) -> None:
    sweep = read_sweep(finished)
    assert [job.algo for job in sweep.jobs] == ["rs", "rea"]
    assert len(sweep.all_jobs) == 24
    for job in sweep.jobs:
        found = [row for seed in range(12) for row in rows(only(finished, f"*algo={job.algo},*seed={seed},*/runs.csv"))]
        assert job.runs["test_acc"].tolist() == [float(row["test_acc"]) for row in found]
        assert job.summary["test_acc_mean"] == pytest.approx(np.mean(job.runs["test_acc"]))
        assert job.config.runs == len(found) == 24
        assert job.trajectory["seconds"].shape[0] == 24
        # runs that end early keep what they found
        np.testing.assert_array_equal(job.trajectory["test_acc"][:, -1], job.runs["test_acc"])
    assert facts(sweep, {})["seed"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert facts(sweep, {})["jobs"].startswith("24 finished")


def test_a_seed_that_one_search_lacks_is_left_out_and_told(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "seeds")
    shutil.rmtree(only(folder, "*algo=rs,*seed=5,*/summary.json").parent)
    sweep = read_sweep(folder)
    assert [job.config.runs for job in sweep.jobs] == [22, 22]
    (told,) = sweep.apart
    assert "seed=5" in told
    assert told.startswith("Left out, as not all searches have a result of their seeds, 1 jobs: ")
    assert [*sweep.missing] == [path.name for path in finished.glob("*algo=rs,*seed=5,*")]


def test_jobs_of_one_seed_are_as_they_were(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "seeds")
    listed = json.loads((folder / "jobs.json").read_text())
    listed = {"jobs": [job for job in listed["jobs"] if "seed=3" in job["overrides"]], "skipped": []}
    (folder / "jobs.json").write_text(json.dumps(listed))
    sweep = read_sweep(folder)
    assert [job.config.runs for job in sweep.jobs] == [2, 2]
    assert not any(job.parts for job in sweep.jobs)
    assert sweep.jobs[0].summary["runs"] == 2


@pytest.mark.slow
def test_where_metrics_draw_with_the_seed_the_report_says_whose_ranking_it_shows(
    program: RunProgram, tmp_path: Path
) -> None:
    small = ("network.C=4", "network.N=1", "space=topology")
    done = program("-m", "metric=synflow", "algo=rs", "algo.N=5", "runs=2", "seed=0,1", "name=drawn", BASIC, *small)
    assert done.returncode == 0, done.stderr
    sweep = read_sweep(tmp_path / "multirun_sweeps/drawn")
    evidence = gather(sweep, store=tmp_path / "ceilings", images=None, device="cpu", n_jobs=1)
    (told,) = [part for part in build(sweep, evidence, tmp_path / "report")[0].parts if isinstance(part, str)]
    assert "2 jobs of 2 seeds are 1 searches" in told
    assert "that of seed=0 alone" in told
    assert all(row[-1] is None for row in anytime_table(sweep, evidence).rows)
