"""The checked configuration that everything else sees: frozen, typed, one object a job."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from nas_exp.algos import CostName
from nas_exp.bounds import AtLeast
from nas_exp.config.schema import DatasetNode
from nas_exp.errors import InputError
from nas_exp.spaces.space import Dataset, Space

if TYPE_CHECKING:
    from nas_exp.benchmarks import Benchmark

RuleName = Literal["log_rank", "rank", "z_score", "mean"]
"""How the scores of several metrics become one; see `nas_exp.scoring.rules`."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric as configured.

    `input` says where scores come from: `images` and `ones` feed an untrained network, `benchmark` reads accuracies of
    trained networks, and `members` combines other metrics, each with an input of its own; the fields that do not
    apply are None. `network` says which form of the network the function is given: `modules`, a `torch.nn.Module`;
    `cells` or `live_cells`, a faster form where the space has one; or `counts`, which has no weights. `same_as` names
    the function of another metric that gives the same scores where a backward pass reaches every ReLU: in a space of
    such networks the two share score tables.
    """

    name: str
    target: str | None
    input: str
    network: str | None = None
    same_as: str | None = None
    batch_size: Annotated[int | None, AtLeast(2)] = None
    dtype: str | None = None
    seed: Annotated[int | None, AtLeast(0)] = None
    version: int | None = None
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    repeats: Annotated[int, AtLeast(1)] = 1
    members: "tuple[Metric, ...]" = ()
    """The metrics that it is made of; empty if it is computed itself."""
    rule: RuleName | None = None
    """How their scores become one; None if they do not, or there are none."""
    key: str = "metric"
    """The key that holds it, for error messages."""


@dataclass(frozen=True)
class Call:
    """A named function with its keyword arguments: a task or an algorithm."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Algo(Call):
    """An algorithm as configured; `arguments` are those that are plain values."""

    metrics: dict[str, Metric]
    """Those whose scores it is given beside the main one's, by parameter."""
    seconds: float | None
    """What all scores of one search may take together; None: any."""
    cost: CostName | None
    """The cost that its parameter `cost` is given; None: it has none."""

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """All that distinguishes it from others of its name, as plain values."""
        metrics = {parameter: metric.name for parameter, metric in self.metrics.items()}
        # left out where there is none, as in results from before there were such budgets
        budget = {} if self.seconds is None else {"budget_seconds": self.seconds}
        cost = {} if self.cost is None else {"cost": self.cost}
        return {**self.arguments, **metrics, **cost, **budget}


@dataclass(frozen=True)
class BenchmarkCall:
    """A benchmark as configured: what loads it, and from where."""

    name: str
    function: Callable[..., "Benchmark"]
    space: Space
    path: Path | None
    store: Path
    """The folder of imported archives."""
    loaded: set[str] = dataclasses.field(default_factory=set, compare=False, repr=False)
    """The datasets of which a job has loaded something, so that its result depends on what the benchmark says."""

    def load(self, dataset: str) -> "Benchmark":
        """Load what the benchmark has of a dataset; once a process, as a sweep's jobs share their workers.

        Raises:
            InputError: the path is missing or not what it should be.
        """
        benchmark = _load(self, dataset)
        self.loaded.add(dataset)
        return benchmark


@functools.lru_cache(maxsize=8)
def _load(call: BenchmarkCall, dataset: str) -> "Benchmark":
    return call.function(dataset, space=call.space, path=call.path, store=call.store)


@dataclass(frozen=True)
class Config:
    """The checked configuration of one job."""

    task: Call
    dataset: DatasetNode
    metric: Metric
    algo: Algo
    benchmark: BenchmarkCall
    space: Space
    scores: Path
    """The folder of all score tables."""
    runs: int
    seed: int
    n_jobs: int
    device: str
    sweep: Path | None
    """The folder of the sweep that is reported."""
    rerun: str
    """Which jobs of an earlier sweep are run again: one of `RERUN`."""
    dry_run: bool
    """Whether a sweep's jobs are only listed."""
    hash: str
    """Of all values but those that say how and where to work, and of the folder that a task fills if it fills one;
    16 hexadecimal digits."""

    @property
    def built_for(self) -> Dataset:
        """The dataset as networks see it."""
        return Dataset(self.dataset.num_classes, self.dataset.image_size)

    def benchmark_digest(self) -> str | None:
        """Return a digest of what the benchmark says of the dataset now; None if it cannot be read."""
        try:
            return _load(self.benchmark, self.dataset.name).digest
        except (InputError, OSError):
            return None

    def of_scores(self) -> "dict[str, Config]":
        """Return a configuration for each score that the algorithm is given, by parameter; this one is `score`'s."""
        others = {name: dataclasses.replace(self, metric=metric) for name, metric in self.algo.metrics.items()}
        return {"score": self, **others}

    def of_members(self) -> "list[Config]":
        """Return a configuration for each member of the metric."""
        return [dataclasses.replace(self, metric=metric) for metric in self.metric.members]

    def of_computed(self) -> "list[Config]":
        """Return a configuration for each metric whose scores are to be there: the members', or this one."""
        return [part for member in self.of_members() for part in member.of_computed()] or [self]
