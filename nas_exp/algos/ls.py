"""Local search: White, Nolen and Savani, *Local Search is State of the Art for NAS Benchmarks*, 2020 (Algorithm 1)."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nas_exp.algos import Count, Score, Trajectory
from nas_exp.spaces.space import Space

_ALL = 100_000
"""Of a space of up to so many architectures all are drawn as starts, as finished searches have done."""


def search(
    score: Score, space: Space, rng: np.random.Generator, *, N: Count, improvement: Literal["best", "first"]
) -> Trajectory:
    """Climb from a random architecture to better neighbours until there is none, then start again elsewhere.

    Neighbours are looked at in a random order. What was scored before is remembered and not scored again, but still
    counts as a neighbour; a start is always new. A non-finite score is worse than any finite one.

    Args:
        score: gives scores; with `improvement` "best" it is asked for all new neighbours at once.
        space: where to search.
        rng: draws starts and orders.
        N: how many architectures are scored before the search ends, wherever it is then.
        improvement: move to the best neighbour of all (the first met of equals), or to the first better one.

    Returns:
        a trajectory of N steps, no architecture twice.
    """
    found: dict[int, float] = {}  # in the order scored

    def fitness(arch: int) -> float:
        value = found.get(arch, math.nan)
        return value if math.isfinite(value) else -math.inf

    def best_of(archs: Sequence[int]) -> int:
        new = [arch for arch in archs if arch not in found][: N - len(found)]
        if new:
            found.update(zip(new, score(new), strict=True))
        return max(archs, key=fitness)

    starts = len(space) if len(space) <= _ALL else min(N, len(space))  # more than N are never needed
    for start in space.sample(rng, starts, replace=False).tolist():
        if len(found) == N:
            break
        if start in found:
            continue
        here: int | None = best_of([start])
        while here is not None and len(found) < N:
            neighbours = rng.permutation(space.neighbours(here)).tolist()
            groups = [neighbours] if improvement == "best" else [[neighbour] for neighbour in neighbours]
            least = fitness(here)
            here = next((better for group in groups if fitness(better := best_of(group)) > least), None)
    return Trajectory(np.fromiter(found, dtype=np.int64), np.fromiter(found.values(), dtype=np.float64))
