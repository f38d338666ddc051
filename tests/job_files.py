"""The files of jobs: an algorithm of one's own for them, and reading what they have written."""

import csv
from pathlib import Path

import pyarrow.parquet as pq

SMALL = ("network.C=4", "network.N=1")
"""A network that is scored in a few milliseconds."""

BASIC = "hydra/launcher=basic"
"""Runs the jobs of a sweep in its own process, for tests that are not about processes, which take seconds to start."""


DEADLY = "import os, signal\ndef search(score, space, rng, *, N: int):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
"""The code of an algorithm that kills its process."""


def own_algorithm(folder: Path, name: str, code: str) -> tuple[str, str]:
    """Write `NAME.py`, whose `search(score, space, rng, *, N)` is `algo=NAME`; return the arguments that find it."""
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    (folder / "algo").mkdir(exist_ok=True)
    (folder / f"algo/{name}.yaml").write_text(f"name: {name}\n_target_: {name}.search\nN: 5\n", encoding="utf-8")
    return "--config-dir", str(folder)


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_seconds(path: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(path)]


def scores_of(folder: Path) -> dict[int, float]:
    table = pq.read_table(only(folder, "scores/cifar10/*"), columns=["arch_index", "score"]).to_pydict()
    return dict(zip(table["arch_index"], table["score"], strict=True))
