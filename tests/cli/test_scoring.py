"""Scoring from the command line: real processes that fill tables, are killed, and go on."""

import json
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from nas_exp.scoring.table import Row, ScoreTable
from nas_exp.storage.parquet import read_columns
from tests.conftest import RunProgram, StartProgram
from tests.job_files import SMALL, only, scores_of
from tests.topology import SIZE


def test_scores_do_not_depend_on_processes_order_or_parts(program: RunProgram, tmp_path: Path) -> None:
    def score(data: str, *arguments: str) -> None:
        done = program("task=score", *SMALL, *arguments, NAS_EXP_DATA=str(tmp_path / data))
        assert done.returncode == 0, done.stderr

    def summaries(data: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (tmp_path / "outputs").glob(f"{data}-*/summary.json")]

    archs = list(range(100, 15625, 260))
    some = f"task.archs=[{','.join(map(str, archs))}]"
    score("whole", some, "n_jobs=1")
    score("parallel", some, "n_jobs=2")
    for shard in (2, 0, 1):
        score("shards", some, f"task.shard={shard}", "task.shards=3", f"name=shards-{shard}")
    score("picked", f"task.archs=[{','.join(map(str, reversed(archs)))}]")
    whole = scores_of(tmp_path / "whole")
    assert sorted(whole) == archs
    assert len({*whole.values()}) > 20
    assert sum(summary["computed"] for summary in summaries("shards")) == len(archs)
    for other in ("parallel", "shards", "picked"):
        assert scores_of(tmp_path / other) == whole


@pytest.mark.slow
def test_a_larger_sample_has_all_of_a_smaller_one(program: RunProgram, tmp_path: Path) -> None:
    known = []
    for size in (20, 30):
        done = program("task=score", "metric=num_layers", *SMALL, f"task.sample={size}", f"name={size}")
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / f"outputs/{size}/summary.json").read_text())
        known.append(scores_of(tmp_path / "data").keys())
        assert (summary["selected"], summary["computed"]) == (size, size - len(known[0]) * (size == 30))
    small, large = known
    assert (len(small), len(large)) == (20, 30)
    assert small < large
    assert max(large) > 10_000  # of the whole space
    # another seed, another sample
    assert program("task=score", "metric=num_layers", *SMALL, "task.sample=20", "seed=1").returncode == 0
    assert len(scores_of(tmp_path / "data")) > 40


@pytest.mark.slow
def test_a_scoring_that_is_killed_again_and_again_ends_the_same(
    program: RunProgram, start_program: StartProgram, tmp_path: Path
) -> None:
    part = ("task=score", "task.shard=0", "task.shards=4", "network.C=8", "network.N=3")
    rng, kept = random.Random(0), 0
    for _ in range(3):
        process = start_program(*part, "n_jobs=2")
        deadline = time.monotonic() + 120
        while process.poll() is None and known(tmp_path) == kept and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        assert process.poll() is None, "finished before it was killed"
        before = known(tmp_path)
        process.kill()
        process.wait()
        assert known(tmp_path) >= before > kept
        kept = known(tmp_path)
    done = program(*part, "n_jobs=2")
    assert done.returncode == 0, done.stderr
    summary = json.loads(only(tmp_path / "outputs", "*/summary.json").read_text())
    assert summary["computed"] == summary["selected"] - kept
    done = program(*part, "n_jobs=2", NAS_EXP_DATA=str(tmp_path / "undisturbed"))
    assert done.returncode == 0, done.stderr
    assert scores_of(tmp_path / "data") == scores_of(tmp_path / "undisturbed")


def test_a_scoring_that_is_asked_to_end_keeps_all_that_it_has_and_leaves_no_process(
    start_program: StartProgram, tmp_path: Path
) -> None:
    part = ("task=score", "task.shard=0", "task.shards=4", "network.C=8", "network.N=3")
    process = start_program(*part, "n_jobs=2")
    deadline = time.monotonic() + 120
    while process.poll() is None and not known(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    before = known(tmp_path)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)  # which waits for every process that could still write there
    assert process.returncode == 143
    assert told.splitlines()[-1] == "error: terminated; the scores that were computed are kept"
    assert known(tmp_path) >= before > 0


def known(tmp_path: Path) -> int:
    """Count the scores that the table of the killed and resumed has."""
    parts = (tmp_path / "data").rglob("part-*.parquet")
    return len(
        {arch for part in parts for arch in pq.read_table(part, columns=["arch_index"])["arch_index"].to_pylist()}
    )


@pytest.mark.slow
def test_two_scorers_may_fill_one_table_at_once(
    program: RunProgram, start_program: StartProgram, tmp_path: Path
) -> None:
    selection = [f"task.archs={[*range(5, SIZE, 20)]}".replace(" ", ""), *SMALL]
    both = [start_program("task=score", *selection) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    done = program("task=score", *selection, NAS_EXP_DATA=str(tmp_path / "alone"))
    assert done.returncode == 0, done.stderr
    assert scores_of(tmp_path / "data") == scores_of(tmp_path / "alone")


def test_scoring_shows_how_far_it_is(program: RunProgram) -> None:
    done = program("task=score", "task.limit=20", *SMALL)
    assert "0 of 20 scores are there, 20 to compute" in done.stdout
    assert "synflow on cifar10: 20/20 networks" in done.stdout
    assert "networks/s" in done.stdout
    assert re.search(r"\d+ different networks are left, an unknown time with n_jobs=1", done.stdout)
    again = program("task=score", "task.limit=20", *SMALL)
    assert "20 of 20 scores are there, 0 to compute" in again.stdout


def test_shipped_scores_that_are_asked_for_are_copied(program: RunProgram, tmp_path: Path) -> None:
    done = program("task=score", "task.archs=[9,15000]", "name=copied")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/copied/summary.json").read_text())
    assert summary["computed"] == 0
    assert sorted(scores_of(tmp_path / "data")) == [9, 15000]
    part = only(tmp_path / "data", "scores/cifar10/synflow-*/part-*")
    before = part.stat().st_mtime_ns
    assert program("task=score", "task.archs=[15000]").returncode == 0
    assert part.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_time_of_a_scoring_is_told_by_what_like_networks_took(program: RunProgram) -> None:
    shipped_for_another_seed = program("task=score", "seed=1", "task.archs=[9,3479,11718]")
    assert re.search(r"3 different networks are left, about 0:00:0\d with n_jobs=1", shipped_for_another_seed.stdout)
    program("task=score", "task.archs=[9]", *SMALL)
    computed_before = program("task=score", "task.archs=[11718]", *SMALL)
    assert re.search(r"1 different networks are left, about 0:00:0\d with n_jobs=1", computed_before.stdout)


def test_a_table_is_verified_by_computing_a_sample_again(program: RunProgram, tmp_path: Path) -> None:
    done = program("task=verify", "task.sample=5", "name=shipped")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs/shipped/summary.json").read_text())
    assert (summary["compared"], summary["known"]) == (5, SIZE)
    assert summary["worst_difference"] < 1e-5
    assert scores_missing(tmp_path)


@pytest.mark.slow
def test_a_table_that_is_not_what_this_code_computes_is_found_out(program: RunProgram, tmp_path: Path) -> None:
    assert program("task=score", "task.archs=[9,11718]", *SMALL).returncode == 0
    part = only(tmp_path / "data", "scores/cifar10/synflow-*/part-*")
    rows = read_columns(part, ("arch_index", "score", "seconds"))
    part.unlink()
    first, second = zip(*(rows[name].tolist() for name in ("arch_index", "score", "seconds")), strict=True)
    identity = json.loads((part.parent / "_table.json").read_text(encoding="utf-8"))
    del identity["made_by"]
    table = ScoreTable(tmp_path / "data/scores", identity, SIZE)
    assert table.folder == part.parent
    table.add([Row(*first), Row(second[0], second[1] * 1.01, second[2])])
    assert program("task=verify", "task.archs=[9]", *SMALL).returncode == 0
    for which in ("task.archs=[9,11718]", "task.sample=2"):
        done = program("task=verify", which, *SMALL)
        assert done.returncode == 2
        assert re.fullmatch(
            r"error: .*: synflow of architecture 11718 is .*, and .* when computed again.*\n", done.stderr
        )
    done = program("task=verify", "task.archs=[9,10]", *SMALL)
    assert done.returncode == 2
    assert "no score of architecture 10" in done.stderr
    done = program("task=verify", "metric=val_acc", *SMALL)
    assert done.returncode == 2
    assert "there is nothing to compute" in done.stderr


def scores_missing(tmp_path: Path) -> bool:
    """Whether the user's folder has no scores, as when all that was read came with the package."""
    return not list((tmp_path / "data").rglob("part-*"))
