"""Where the scores of a configured metric come from: a table, a benchmark, or the scores of several metrics.

`source_of` is the one place that asks which of them it is. Searching, correlating, verifying, combining and reporting
use what they have in common.
"""

import contextlib
import functools
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_exp.config.check import old_form
from nas_exp.config.signatures import find, keywords
from nas_exp.config.types import Config, Metric
from nas_exp.datasets.images import MiniBatch, load_images, mini_batch
from nas_exp.errors import InputError
from nas_exp.scoring.compute import sharing
from nas_exp.scoring.filling import Filling
from nas_exp.scoring.recipe import Recipe
from nas_exp.scoring.rules import combine, rule_of
from nas_exp.scoring.scorer import EnsembleScorer, Scorer, table_scorer
from nas_exp.scoring.table import Scores, ScoreTable, shipped_identity
from nas_exp.storage.seals import digest

log = logging.getLogger(__name__)


class ImagesMissingError(InputError):
    """A metric needs images, there is no folder of them, and no shipped table with its parameters."""


class Source(ABC):
    """The scores of one configured metric: those that are known, and a way to the others. Making one reads nothing."""

    metric: Metric
    """The metric as configured."""

    @abstractmethod
    def known(self) -> Scores:
        """Return the scores that are known; nothing is computed.

        Raises:
            InputError: the benchmark or the images lack what the metric needs.
        """

    @abstractmethod
    def scorer(self, *, n_jobs: int) -> AbstractContextManager[Scorer]:
        """Yield a scorer; what it computes, in `n_jobs` processes, is kept when the block ends, however it ends.

        Raises:
            InputError: as `known` does.
        """

    def tables(self) -> list[ScoreTable]:
        """Return the tables of all computed metrics that it is made of, each once.

        Raises:
            InputError: the images lack what a metric needs.
        """
        return []

    def lacking(self) -> str | None:
        """Return what the benchmark lacks for the metric; None if nothing."""
        return None


def source_of(config: Config) -> Source:
    """Return the source of a configuration's metric."""
    return _source(config, functools.cache(_batch_of(config)))


def table_of(config: Config) -> ScoreTable:
    """Return the table of a configuration's metric.

    Raises:
        InputError: the metric is not computed, has members, or needs images that are not there.
    """
    source = source_of(config)
    if not isinstance(source, TableSource):
        raise gives_no_scores(config.metric) if config.metric.members else nothing_to_compute(config.metric)
    return source.table


def gives_no_scores(metric: Metric) -> InputError:
    """Return the error that a metric with members has no scores of its own."""
    return InputError(
        f"{metric.key}={metric.name}: stands for several metrics and gives no scores of its own; "
        f"expected one of them, as {metric.key}={metric.members[0].name}"
    )


def nothing_to_compute(metric: Metric) -> InputError:
    """Return the error that the scores of a metric come from a benchmark."""
    return InputError(f"metric={metric.name}: comes from the benchmark; there is nothing to compute")


_Batches = Callable[[int, int], MiniBatch]
"""Returns the mini-batch of a size and a seed."""


def _source(config: Config, batches: _Batches) -> Source:
    metric = config.metric
    if metric.members:
        return EnsembleSource(metric, [_source(part, batches) for part in config.of_members()])
    if metric.input == "benchmark":
        return BenchmarkSource(metric, config)
    return TableSource(metric, config, batches)


@dataclass(frozen=True)
class TableSource(Source):
    """A score table, and how to compute what it lacks."""

    metric: Metric
    config: Config
    batches: _Batches

    @functools.cached_property
    def table(self) -> ScoreTable:
        """The table; its recipe is None if the metric needs images and none are at hand: then it is the shipped one.

        Raises:
            InputError: the images cannot be read, or there are none and no shipped table has the parameters.
        """
        config, metric, dataset = self.config, self.metric, self.config.dataset
        same_as = metric.same_as if config.space.reaches_every_relu else None
        identity: dict[str, Any] = {
            **config.space.identity,
            "dataset": dataset.name,
            "image_size": dataset.image_size,
            "num_classes": dataset.num_classes,
            "metric": metric.name if same_as is None else same_as.rpartition(".")[2],
            "function": same_as or metric.target,
            "arguments": metric.arguments,
            "input": metric.input,
            "computed_on": old_form(metric.network),
            "dtype": metric.dtype,
            "seed": metric.seed,
            "version": metric.version,
        }
        batch = None
        if metric.input == "images":
            identity |= {"batch_size": metric.batch_size, "mean": list(dataset.mean), "std": list(dataset.std)}
            if dataset.root is None:
                shipped = shipped_identity(identity)
                if shipped is None:
                    raise ImagesMissingError(
                        f"dataset.root=null: metric={metric.name} needs images of {dataset.name} and no shipped table "
                        "has these parameters; expected the folder that holds the images"
                    )
                return ScoreTable(config.scores, shipped, len(config.space))
            assert metric.batch_size is not None
            assert metric.seed is not None
            batch = self.batches(metric.batch_size, metric.seed)
            identity["images"] = batch.digest
        key = digest({**identity, "device": config.device})
        recipe = Recipe(key, metric, config.space, config.built_for, batch, config.device)
        return ScoreTable(config.scores, identity, len(config.space), recipe)

    def known(self) -> Scores:
        return self.table.read()

    @contextlib.contextmanager
    def scorer(self, *, n_jobs: int) -> Iterator[Scorer]:
        table, size = self.table, len(self.config.space)
        scores = table.read()
        if table.recipe is None:
            yield table_scorer(scores, size)
            return
        if len(scores.arch_index) < size:
            metric = self.metric
            log.info(
                "the score table of %s lacks %d of %d architectures; those that the search meets are computed on "
                "demand (task=score fills the table in n_jobs processes%s)",
                metric.name,
                size - len(scores.arch_index),
                size,
                f"; {metric.key}.seed=0 uses the scores of that seed" if metric.seed else "",
            )
        with Filling(table, n_jobs=n_jobs) as filling:
            yield table_scorer(scores, size, filling)

    def tables(self) -> list[ScoreTable]:
        return [self.table]


@dataclass(frozen=True)
class BenchmarkSource(Source):
    """Accuracies of trained networks, at the cost of that training."""

    metric: Metric
    config: Config

    def known(self) -> Scores:
        scores = self._all()
        return scores.of(scores.arch_index[np.isfinite(scores.score)])

    @contextlib.contextmanager
    def scorer(self, *, n_jobs: int) -> Iterator[Scorer]:
        """See `Source.scorer`; what was never trained gets NaN, which never wins."""
        yield table_scorer(self._all(), len(self.config.space), unknown=np.nan)

    def lacking(self) -> str | None:
        try:
            self._all()
        except InputError as error:
            return str(error)
        return None

    def _all(self) -> Scores:
        metric, config = self.metric, self.config
        function = find(metric.target, f"{metric.key}._target_")
        arguments = keywords(function, metric.arguments, metric.key)
        if "benchmark" not in inspect.signature(function).parameters:
            raise InputError(
                f"{metric.key}.input=benchmark: {metric.target} does not read a benchmark; expected ones or images"
            )
        benchmark = config.benchmark.load(config.dataset.name)
        return Scores(benchmark.arch_index, *function(benchmark, **arguments))


@dataclass(frozen=True)
class EnsembleSource(Source):
    """The scores of several metrics, which a rule makes one."""

    metric: Metric
    members: Sequence[Source]

    def known(self) -> Scores:
        """Return the architectures that all members know, ranked among each other."""
        if self.metric.rule is None:
            raise gives_no_scores(self.metric)
        parts = [member.known() for member in self.members]
        known = functools.reduce(np.intersect1d, [part.arch_index for part in parts])
        common = [part.of(known) for part in parts]
        score = combine(rule_of(self.metric.rule), np.asarray([part.score for part in common]))
        return Scores(known, score, np.asarray(np.sum([part.seconds for part in common], axis=0)))

    @contextlib.contextmanager
    def scorer(self, *, n_jobs: int) -> Iterator[Scorer]:
        if self.metric.rule is None:
            raise gives_no_scores(self.metric)
        with contextlib.ExitStack() as stack:
            members = [stack.enter_context(member.scorer(n_jobs=n_jobs)) for member in self.members]
            yield EnsembleScorer(members, rule_of(self.metric.rule))

    def tables(self) -> list[ScoreTable]:
        found = [table for member in self.members for table in member.tables()]
        return list({table.folder: table for table in reversed(found)}.values())[::-1]


def _batch_of(config: Config) -> _Batches:
    dataset = config.dataset

    def read(size: int, seed: int) -> MiniBatch:
        assert dataset.root is not None
        images = load_images(
            Path(dataset.root), name=dataset.name, num_classes=dataset.num_classes, image_size=dataset.image_size
        )
        return mini_batch(images, size=size, seed=seed, mean=dataset.mean, std=dataset.std)

    return read


def forecast(wanted: Sequence[tuple[ScoreTable, Sequence[int]]], *, n_jobs: int) -> tuple[int, float | None]:
    """Return how many networks have to be computed for some architectures, and how many seconds that should take.

    The seconds are those of similar networks, computed before or shipped; None where there are none. Of recipes that
    share a pass, which each of them counts in full, the longest counts.

    Args:
        wanted: tables with a recipe, and for each the architectures that it is to have.
        n_jobs: processes.
    """
    import joblib

    networks: set[int] = set()
    longest: dict[object, float] = {}
    for number, (table, archs) in enumerate(wanted):
        if not archs:
            continue
        assert table.recipe is not None
        firsts = set(table.recipe.space.first_equal(archs, str(table.recipe.metric.network)))
        networks.update(firsts)
        known = table.expected_seconds()
        found = known.of(list(firsts)).seconds
        if np.isnan(found).all():
            found = known.seconds
        expected = np.nan if np.isnan(found).all() else float(np.nanmean(found)) * len(firsts)
        key = sharing(table.recipe, with_pass=True) or number
        longest[key] = float(np.maximum(longest.get(key, 0.0), expected))  # NaN wins
    total = sum(longest.values())
    if np.isnan(total):
        return len(networks), None
    return len(networks), total / max(1, min(joblib.effective_n_jobs(n_jobs), len(networks)))
