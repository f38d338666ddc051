"""Scores made of several scores, over a table and in searches, against plain computations."""

import math
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.algos import Score, Trajectory, rea, rs
from nas_exp.scoring.rules import Ranked, RuleName, RunningRanks, combine, rule_of
from nas_exp.scoring.scorer import EnsembleScorer, Scorer
from nas_exp.search.run import Run, run_search
from nas_exp.spaces.space import Space
from tests.topology import SIZE, made_up, table_scorer
from tests.topology import TOPOLOGY as SPACE

RNG = np.random.default_rng(0)
# few different values, so that there are ties, and some that are not finite
TABLES = [RNG.integers(0, 4000, SIZE).astype(float), RNG.normal(size=SIZE).round(2)]
for table in TABLES:
    table[RNG.integers(0, SIZE, 500)] = np.nan
    table[RNG.integers(0, SIZE, 500)] = -np.inf
SECONDS = [RNG.random(SIZE), RNG.random(SIZE)]
BENCHMARK = made_up(RNG)


def rank(value: float, values: Sequence[float]) -> float:
    """From the worst, 1, to the best; equal ones share the mean of their places."""
    return sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2


def plain(name: RuleName, values: Sequence[Sequence[float]], number: int) -> float:
    """One score of one architecture from those of all, a loop over the members."""
    found = []
    for member in values:
        share = rank(member[number], member) / len(member)
        deviation = float(np.std(member))
        z = (member[number] - float(np.mean(member))) / deviation if deviation > 1e-9 else 0.0
        found.append({"log_rank": math.log(share), "rank": share, "z_score": z, "mean": member[number]}[name])
    return sum(found) if name == "log_rank" else sum(found) / len(found)


VALUES = st.integers(1, 3).flatmap(
    lambda members: st.lists(
        st.lists(st.integers(-5, 5).map(float), min_size=members, max_size=members), min_size=1, max_size=20
    )
)


@settings(deadline=None)
@given(by_arch=VALUES, name=st.sampled_from(get_args(RuleName)))
def test_rules_are_what_they_say_over_a_table_and_as_scores_come(by_arch: list[list[float]], name: RuleName) -> None:
    running = RunningRanks(rule_of(name), len(by_arch[0]))
    for count, values in enumerate(by_arch, start=1):
        assert running.add(values) == count - 1
        by_member = np.transpose(by_arch[:count])
        expected = [plain(name, by_member.tolist(), number) for number in range(count)]
        assert running.scores.tolist() == pytest.approx(expected, abs=1e-9)
        assert combine(rule_of(name), by_member).tolist() == pytest.approx(expected, abs=1e-9)


def test_many_scores_are_taken_in() -> None:
    values = RNG.normal(size=(2, 500))
    running = RunningRanks(rule_of("log_rank"), 2)
    for pair in values.T.tolist():
        running.add(pair)
    np.testing.assert_allclose(running.scores, combine(rule_of("log_rank"), values))


@pytest.mark.parametrize("name", get_args(RuleName))
def test_what_a_member_cannot_score_has_no_score_and_does_not_count(name: RuleName) -> None:
    values = np.array([[1.0, np.nan, 3.0, 2.0], [5.0, 9.0, 6.0, -np.inf]])
    found = combine(rule_of(name), values)
    assert np.isnan(found[[1, 3]]).all()
    np.testing.assert_allclose(found[[0, 2]], combine(rule_of(name), values[:, [0, 2]]))
    assert np.isnan(combine(rule_of(name), np.full((2, 3), np.nan))).all()


def test_a_ranked_score_is_compared_and_converted_as_a_number_is() -> None:
    running = RunningRanks(rule_of("rank"), 1)
    worse, better = (Ranked(running, running.add([value])) for value in (1.0, 2.0))
    assert worse < better
    assert better > worse
    assert worse > -math.inf
    assert worse == 0.5
    assert math.isfinite(worse)
    assert np.asarray([worse, better], dtype=np.float64).tolist() == [0.5, 1.0]
    running.add([3.0])
    assert float(better) == pytest.approx(2 / 3)


def ensemble(name: RuleName) -> EnsembleScorer:
    return EnsembleScorer([table_scorer(*each) for each in zip(TABLES, SECONDS, strict=True)], rule_of(name))


def searched(
    search: Callable[..., Trajectory], scorer: Scorer, seed: int, *, others: dict[str, Scorer] | None = None,
    seconds: float | None = None, **arguments: int,
) -> Run:  # fmt: skip
    seeds = np.random.SeedSequence(seed)
    return run_search(search, SPACE, scorer, BENCHMARK, seed=seeds, arguments=arguments, others=others, seconds=seconds)


def among(name: RuleName, archs: Sequence[int]) -> npt.NDArray[np.float64]:
    """The scores of architectures, each once, by what they are among each other."""
    return combine(rule_of(name), np.asarray([values[list(archs)] for values in TABLES]))


def best_so_far(name: RuleName, archs: Sequence[int]) -> list[int]:
    """The best of the first architectures, one after the other; -1 without any."""
    found = []
    for count in range(1, len(archs) + 1):
        different = list(dict.fromkeys(archs[:count]))
        scores = among(name, different)
        found.append(different[int(np.nanargmax(scores))] if np.isfinite(scores).any() else -1)
    return found


@pytest.mark.parametrize("name", get_args(RuleName))
@pytest.mark.parametrize("seed", range(3))
def test_a_search_goes_by_what_it_has_scored_so_far(name: RuleName, seed: int) -> None:
    scorer = ensemble(name)
    for _ in range(2):  # the second knows nothing of the first
        run = searched(rs.search, scorer, seed, N=60)
        archs = run.trajectory.arch_index.tolist()
        assert run.best_arch_index.tolist() == best_so_far(name, archs)
        np.testing.assert_allclose(run.trajectory.score, among(name, archs))
        np.testing.assert_allclose(run.seconds, np.cumsum(np.sum(SECONDS, axis=0)[archs]))


def evolve(name: RuleName, rng: np.random.Generator, *, N: int, P: int, S: int) -> list[int]:
    """Regularized evolution that ranks all it has met anew before each tournament."""
    scored = SPACE.sample(rng, P, replace=True).tolist()
    candidates, mutations = rng.integers(P, size=(N, S)), rng.integers(24, size=N)
    for step in range(N):
        different = list(dict.fromkeys(scored))
        fitness = dict(zip(different, np.nan_to_num(among(name, different), nan=-np.inf), strict=True))
        population = scored[-P:]
        parent = max((population[k] for k in candidates[step]), key=lambda arch: fitness[arch])
        scored.append(int(SPACE.neighbours(parent)[mutations[step]]))
    return scored


@pytest.mark.parametrize("name", get_args(RuleName))
def test_evolution_ranks_candidates_among_all_that_it_has_scored(name: RuleName) -> None:
    run = searched(rea.search, ensemble(name), 5, N=80, P=10, S=4)
    expected = evolve(name, np.random.default_rng(np.random.SeedSequence(5)), N=80, P=10, S=4)
    assert run.trajectory.arch_index.tolist() == expected
    assert run.best_arch_index.tolist() == best_so_far(name, expected)


def test_a_stage_by_ranks_is_overruled_by_the_next() -> None:
    def search(score: Score, space: Space, rng: np.random.Generator, *, final: Score) -> Trajectory:
        first, second = ([11, 12, 13, 14], [13, 11])
        parts: dict[str, tuple[list[int], Callable[[Sequence[int]], Sequence[float]]]] = {
            "score": (first, score), "final": (second, final)
        }  # fmt: skip
        return Trajectory.joined(
            {name: Trajectory(np.array(archs), np.array(of(archs), dtype=float)) for name, (archs, of) in parts.items()}
        )

    final = table_scorer(np.arange(SIZE, dtype=float), SECONDS[0])
    run = searched(search, ensemble("log_rank"), 0, others={"final": final})
    assert run.best_arch_index.tolist() == [*best_so_far("log_rank", [11, 12, 13, 14]), 13, 13]


def test_a_budget_counts_what_all_members_take() -> None:
    seconds = float(sum(SECONDS[0]) + sum(SECONDS[1])) / SIZE * 20
    run = searched(rea.search, ensemble("log_rank"), 1, seconds=seconds, N=80, P=10, S=4)
    archs = run.trajectory.arch_index.tolist()
    assert archs == evolve("log_rank", np.random.default_rng(np.random.SeedSequence(1)), N=80, P=10, S=4)[: len(archs)]
    assert seconds - 2 < run.seconds[-1] <= seconds
    # the one that was too much counts for nobody's rank
    different = list(dict.fromkeys(archs))
    expected = dict(zip(different, among("log_rank", different), strict=True))
    np.testing.assert_allclose(run.trajectory.score, [expected[arch] for arch in archs])
    assert run.best_arch_index.tolist() == best_so_far("log_rank", archs)
