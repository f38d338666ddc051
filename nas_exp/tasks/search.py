"""The main job: independent searches on one metric, and how good what they found is once trained."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nas_exp.config.check import Config
from nas_exp.report.job_figures import plot_fronts, plot_trajectories
from nas_exp.scoring.plan import forecast, plan_all
from nas_exp.scoring.scorer import open_scorer
from nas_exp.search import costs
from nas_exp.search.results import front_of, summarise, summarise_fronts, write_fronts, write_runs, write_trajectories
from nas_exp.search.run import Run, run_search
from nas_exp.spaces.topology import SIZE
from nas_exp.tasks import Summary

log = logging.getLogger(__name__)


def expected_seconds(config: Config) -> float | None:
    """Return how long the scores should take that the searches meet and no table has; None if nothing says."""
    own, *others = config.of_scores().values()
    whole = _seconds_of_missing(own)
    if any(_seconds_of_missing(other) != 0.0 for other in others):
        return None  # how many of theirs are asked for, nothing says
    N = config.algo.arguments.get("N")
    if whole == 0.0:
        return 0.0
    if whole is None or not isinstance(N, int):
        return None
    # as if all runs drew at random; evolution meets less
    expected = whole * (1 - (1 - min(1.0, N / SIZE)) ** config.runs)
    return expected if config.algo.seconds is None else min(expected, config.algo.seconds * config.runs)


def _seconds_of_missing(config: Config) -> float | None:
    """Return how long all scores of a metric should take that its table lacks; None if nothing says."""
    if config.metric.input == "benchmark":
        return 0.0
    found = [(table, work, np.flatnonzero(~table.read().known).tolist()) for table, work in plan_all(config)]
    lacking = [(table, work, missing) for table, work, missing in found if work is not None and missing]
    if not lacking:
        return 0.0
    tables, works, missing = zip(*lacking, strict=True)
    return forecast(tables, works, missing, n_jobs=config.n_jobs)[1]


def search(config: Config) -> list[Run]:
    """Run `config.runs` independent searches.

    Raises:
        InputError: the benchmark, the images or the score table lack what the search needs.
    """
    benchmark = config.benchmark.load(config.dataset.name)
    algo = config.algo
    arguments = algo.arguments if algo.cost is None else {**algo.arguments, "cost": costs.load(config)}
    with contextlib.ExitStack() as stack:
        scorers = {name: stack.enter_context(open_scorer(part)) for name, part in config.of_scores().items()}
        others = {name: scorers[name] for name in algo.metrics}
        runs = [
            run_search(algo.function, scorers["score"], benchmark, seed, arguments, others=others, seconds=algo.seconds)
            for seed in np.random.SeedSequence(config.seed).spawn(config.runs)
        ]
    for scorer in scorers.values():
        if scorer.computed:
            log.info("computed %d scores in %.1f s; they are kept", scorer.computed, scorer.computing_seconds)
    return runs


def run(config: Config, folder: Path) -> Summary:
    """Run `config.runs` searches; write ``runs.csv``, ``trajectory.parquet`` and ``trajectory.png``; sum them up.

    Algorithms that weigh scores against a cost have their Pareto fronts written as well.

    Raises:
        InputError: the benchmark, the images or the score table lack what the search needs.
    """
    runs, algo = search(config), config.algo
    if algo.seconds is not None:
        steps = [len(run.best_arch_index) for run in runs]
        log.info("within %g seconds, runs scored %d to %d architectures", algo.seconds, min(steps), max(steps))
    write_runs(folder / "runs.csv", runs)
    write_trajectories(folder / "trajectory.parquet", runs)
    title = f"{config.dataset.name}, {config.metric.name} + {algo.name}, {config.runs} runs"
    plot_trajectories(folder / "trajectory.png", runs, title=title)
    return {
        "dataset": config.dataset.name,
        "metric": config.metric.name,
        "algo": algo.name,
        **algo.hyper_parameters,
        "benchmark": config.benchmark.name,
        "runs": config.runs,
        "seed": config.seed,
        **summarise(runs),
        **({} if algo.cost is None else _write_fronts(config, folder, runs, title)),
    }


def _write_fronts(config: Config, folder: Path, runs: Sequence[Run], title: str) -> Summary:
    """Write ``pareto.csv`` and ``pareto.png``; sum up the fronts."""
    assert config.algo.cost is not None
    cost, benchmark = costs.load(config), config.benchmark.load(config.dataset.name)
    fronts = [front_of(run, cost, benchmark) for run in runs]
    write_fronts(folder / "pareto.csv", fronts)
    plot_fronts(folder / "pareto.png", fronts, cost=config.algo.cost, metric=config.metric.name, title=title)
    return summarise_fronts(fronts, float(np.nanmax(cost)))
