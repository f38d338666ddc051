"""The main job: independent searches on one metric, and how good what they found is once trained."""

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nas_exp.algos import Costs
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.report.job_figures import plot_fronts, plot_trajectories
from nas_exp.scoring.source import forecast, source_of
from nas_exp.search.costs import costs_of, highest
from nas_exp.search.results import (
    Front,
    front_of,
    summarise,
    summarise_fronts,
    trajectory_columns,
    write_fronts,
    write_runs,
)
from nas_exp.search.run import Outcome, Run, run_search
from nas_exp.storage.parquet import GrowingColumns
from nas_exp.storage.summary import Summary

log = logging.getLogger(__name__)

SEARCHES = True


def expected_seconds(config: Config) -> float | None:
    """Return how long the scores should take that the searches meet and no table has; None if that is not known."""
    own, *others = config.of_scores().values()
    whole = _seconds_of_missing(own)
    if any(_seconds_of_missing(other) != 0.0 for other in others):
        return None  # how many of theirs are asked for is not known
    N = config.algo.arguments.get("N")
    if whole == 0.0:
        return 0.0
    if whole is None or not isinstance(N, int):
        return None
    # as if all runs drew at random; evolution meets less
    expected = whole * (1 - (1 - min(1.0, N / len(config.space))) ** config.runs)
    return expected if config.algo.seconds is None else min(expected, config.algo.seconds * config.runs)


def _seconds_of_missing(config: Config) -> float | None:
    """Return how long all scores of a metric should take that its tables lack; None if that is not known."""
    tables = [table for table in source_of(config).tables() if table.recipe is not None]
    if tables and not config.space.is_small:
        return None
    missing = [(table, table.missing(range(len(config.space)))) for table in tables]
    wanted = [(table, archs) for table, archs in missing if archs]
    return forecast(wanted, n_jobs=config.n_jobs)[1] if wanted else 0.0


def lacking(config: Config) -> str | None:
    """Return what the benchmark lacks for the metrics and the cost of a search; None if nothing."""
    for part in config.of_scores().values():
        if (told := source_of(part).lacking()) is not None:
            return told
    try:
        _cost(config)
    except InputError as error:
        return str(error)
    return None


def search(config: Config) -> list[Run]:
    """Run `config.runs` independent searches; see `searches`."""
    return list(searches(config))


def searches(config: Config) -> Iterator[Run]:
    """Run `config.runs` independent searches, one after the other; yield each when it has ended.

    Raises:
        InputError: the benchmark, the images or the score table lack what the search needs.
    """
    benchmark = config.benchmark.load(config.dataset.name)
    algo, cost = config.algo, _cost(config)
    arguments = algo.arguments if cost is None else {**algo.arguments, "cost": cost}
    with contextlib.ExitStack() as stack:
        scorers = {
            name: stack.enter_context(source_of(part).scorer(n_jobs=config.n_jobs))
            for name, part in config.of_scores().items()
        }
        others = {name: scorers[name] for name in algo.metrics}
        for number in range(config.runs):
            yield run_search(
                algo.function,
                config.space,
                scorers["score"],
                benchmark,
                seed=np.random.SeedSequence(config.seed, spawn_key=(number,)),
                arguments=arguments,
                others=others,
                seconds=algo.seconds,
            )
    for scorer in scorers.values():
        if scorer.computed:
            log.info("computed %d scores in %.1f s; they are kept", scorer.computed, scorer.computing_seconds)


def run(config: Config, folder: Path) -> Summary:
    """Run `config.runs` searches; write ``runs.csv``, ``trajectory.parquet`` and ``trajectory.png``; sum them up.

    Algorithms that weigh scores against a cost have their Pareto fronts written as well.

    Raises:
        InputError: the benchmark, the images or the score table lack what the search needs.
    """
    algo, cost, benchmark = config.algo, _cost(config), config.benchmark.load(config.dataset.name)
    title = f"{config.dataset.name}, {config.metric.name} + {algo.name}, {config.runs} runs"
    outcomes, fronts = list[Outcome](), list[Front]()
    with GrowingColumns(folder / "trajectory.parquet") as trajectories:
        for number, run in enumerate(searches(config)):
            outcomes.append(run.outcome)
            trajectories.add(trajectory_columns(number, run, config.space))
            if cost is not None:
                fronts.append(front_of(run, cost, benchmark))
        if algo.seconds is not None:
            steps = [outcome.steps for outcome in outcomes]
            log.info("within %g seconds, runs scored %d to %d architectures", algo.seconds, min(steps), max(steps))
        _explain_dashes(outcomes, config)
        write_runs(folder / "runs.csv", outcomes, config.space)
        trajectories.write()
        curves = {"validation": trajectories.pieces("val_acc"), "test": trajectories.pieces("test_acc")}
        plot_trajectories(folder / "trajectory.png", curves, title=title)
    return {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "algo": algo.name,
        **algo.hyper_parameters,
        "benchmark": config.benchmark.name,
        "runs": config.runs,
        "seed": config.seed,
        **summarise(outcomes, config.space),
        **({} if cost is None else _write_fronts(config, folder, fronts, cost, title)),
    }


def _explain_dashes(outcomes: Sequence[Outcome], config: Config) -> None:
    """Log how many runs have no accuracy, if the benchmark knows others: one of them makes the mean unknown."""
    benchmark = config.benchmark.load(config.dataset.name)
    lacking = {
        words: sum(math.isnan(getattr(outcome, column)) for outcome in outcomes)
        for column, words in (("val_acc", "validation"), ("test_acc", "test"))
        if benchmark.knows(column)
    }
    if any(lacking.values()):
        log.info(
            "of %d runs, %d found no network with a finite score; of networks found, benchmark=%s lacks %s: a mean "
            "over all runs is unknown",
            len(outcomes),
            sum(outcome.arch_index < 0 for outcome in outcomes),
            benchmark.name,
            " and ".join(f"the {words} accuracy of {count}" for words, count in lacking.items() if count),
        )


def _write_fronts(config: Config, folder: Path, fronts: Sequence[Front], cost: Costs, title: str) -> Summary:
    """Write ``pareto.csv`` and ``pareto.png``; sum up the fronts."""
    assert config.algo.cost is not None
    write_fronts(folder / "pareto.csv", fronts, config.space)
    plot_fronts(folder / "pareto.png", fronts, cost=config.algo.cost, metric=config.metric.name, title=title)
    known = float(np.fmax.reduce([front.highest_cost for front in fronts]))
    return summarise_fronts(fronts, highest(cost, config.space, known))


def _cost(config: Config) -> Costs | None:
    """Return the costs that the algorithm is given; None if it is given none.

    Raises:
        InputError: the benchmark has no such cost at all.
    """
    if config.algo.cost is None:
        return None
    benchmark, dataset = config.benchmark, config.dataset.name
    return costs_of(config.algo.cost, config.space, config.built_for, lambda: benchmark.load(dataset))
