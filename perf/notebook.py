"""The paper's Algorithms 1 and 2 as a notebook would have them, on a pandas table of scores.

What the speed of searches is measured against. The paper's own code took 0.31 s (random search) and 16.6 s (evolution)
for a run, by its description of the same steps.
"""

import random

import numpy as np
import numpy.typing as npt
import pandas as pd

from nas_exp.networks.cell_graph import OPERATIONS, all_specs


def table(score: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Return the paper's table II: one row an architecture, with its spec and its score."""
    return pd.DataFrame({"spec": [str([*spec]) for spec in all_specs()], "score": score})


def random_search(scores: pd.DataFrame, seed: int, *, N: int) -> list[float]:
    """Algorithm 1; returns the best score after each of N networks."""
    best, history = -np.inf, []
    for _, row in scores.sample(n=N, random_state=seed).iterrows():
        best = max(best, row["score"])
        history.append(best)
    return history


def evolution(scores: pd.DataFrame, seed: int, *, N: int, P: int, S: int) -> list[float]:
    """Algorithm 2; returns the best score after each of N children."""
    rng = random.Random(seed)

    def score_of(spec: list[int]) -> float:
        return float(scores.loc[scores["spec"] == str(spec), "score"].iloc[0])

    population = [[rng.randrange(len(OPERATIONS)) for _ in range(6)] for _ in range(P)]
    best, history = -np.inf, []
    for _ in range(N):
        sample = [rng.choice(population) for _ in range(S)]
        parent = max(sample, key=score_of)
        child = list(parent)
        edge = rng.randrange(6)
        child[edge] = rng.choice([op for op in range(len(OPERATIONS)) if op != parent[edge]])
        population.append(child)
        population.pop(0)
        best = max(best, score_of(child))
        history.append(best)
    return history
