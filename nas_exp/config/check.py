"""The door: from what Hydra has composed to the checked, frozen configuration that everything else sees."""

import dataclasses
import functools
import math
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas_exp.algos import CostName, Costs, Score
from nas_exp.bounds import AtLeast
from nas_exp.config.hydra_errors import one_line
from nas_exp.config.members import with_members
from nas_exp.config.schema import ConfigNode, DatasetNode, NetworkNode
from nas_exp.config.signatures import check_value, find, keywords
from nas_exp.errors import InputError
from nas_exp.scoring.rules import RuleName
from nas_exp.spaces.topology import SIZE
from nas_exp.storage.seals import digest
from nas_exp.storage.summary import RERUN
from nas_exp.tasks import store_of

if TYPE_CHECKING:
    from nas_exp.benchmarks import Benchmark


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric as configured.

    `input` says where scores come from: `images` and `ones` feed an untrained network, `benchmark` reads accuracies of
    trained networks, and `members` stands for other metrics, each with an input of its own; the fields that do not
    apply are None. `network` says what the function is given: `cells`, a fast `CellNetwork`; `live_cells`, the same
    without the ReLUs of convolutions that lead nowhere; `modules`, the same network as a `torch.nn.Module`; or
    `blueprint`, a `Blueprint`, which counts and cannot compute. `same_as` names the function of another metric that
    gives the same scores in this space: the two share score tables.
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
    """Of a metric that stands for others, those; else none."""
    rule: RuleName | None = None
    """How their scores become one; None if they do not, or there are none."""
    key: str = "metric"
    """The key that holds it, for error messages."""

    @property
    def dead_relus(self) -> bool:
        """Whether the network that the function is given has the ReLUs of convolutions that lead nowhere."""
        return self.network != "live_cells"


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
    """One of `CostName`, if it weighs scores against a cost, its parameter `cost`."""

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """All that distinguishes it from others of its name, as plain values."""
        metrics = {parameter: metric.name for parameter, metric in self.metrics.items()}
        # searches without such a budget are what they were before there were any
        budget = {} if self.seconds is None else {"budget_seconds": self.seconds}
        cost = {} if self.cost is None else {"cost": self.cost}
        return {**self.arguments, **metrics, **cost, **budget}


@dataclass(frozen=True)
class BenchmarkCall:
    """A benchmark as configured: what loads it, and from where."""

    name: str
    function: Callable[..., "Benchmark"]
    path: Path | None
    store: Path
    """The folder of imported archives."""

    def load(self, dataset: str) -> "Benchmark":
        """Load what the benchmark has of a dataset; once a process, as a sweep's jobs share their workers.

        Raises:
            InputError: the path is missing or not what it should be.
        """
        return _load(self, dataset)


@functools.lru_cache(maxsize=8)
def _load(call: BenchmarkCall, dataset: str) -> "Benchmark":
    return call.function(dataset, path=call.path, store=call.store)


@dataclass(frozen=True)
class Config:
    """The checked configuration of one job."""

    task: Call
    dataset: DatasetNode
    metric: Metric
    algo: Algo
    benchmark: BenchmarkCall
    network: NetworkNode
    scores: Path
    """The folder of all score tables."""
    runs: int
    seed: int
    n_jobs: int
    device: str
    sweep: Path | None
    """The folder of the sweep that is reported."""
    rerun: str
    """Which jobs of a sweep are run that was run before: one of `RERUN`."""
    dry_run: bool
    """Whether a sweep's jobs are only listed."""
    hash: str
    """Of all values but those that say how and where to work, and of the folder that a task fills if it fills one;
    16 hexadecimal digits."""

    def of_scores(self) -> "dict[str, Config]":
        """Return a configuration for each score that the algorithm is given, by parameter; this one is `score`'s."""
        others = {name: dataclasses.replace(self, metric=metric) for name, metric in self.algo.metrics.items()}
        return {"score": self, **others}

    def of_members(self) -> "list[Config]":
        """Return a configuration for each metric that the metric stands for, as itself."""
        return [dataclasses.replace(self, metric=metric) for metric in self.metric.members]

    def of_computed(self) -> "list[Config]":
        """Return a configuration for each metric whose scores are to be there: the members', or this one."""
        return [part for member in self.of_members() for part in member.of_computed()] or [self]


_INPUTS = {  # the common keys that a metric of each kind must have
    "images": ("network", "batch_size", "dtype", "seed", "version"),
    "ones": ("network", "dtype", "seed", "version"),
    "benchmark": (),
    "members": (),
}
_GIVEN = {"task": ("config", "folder"), "algo": ("score", "space", "rng")}
"""What the functions of a group are called with before the keys of their configuration."""
_CHOICES = {
    "input": tuple(_INPUTS),
    "network": ("cells", "live_cells", "modules", "blueprint"),
    "dtype": ("float32", "float64"),
}


def check(node: DictConfig) -> Config:
    """Check names, types, ranges, paths and rules across keys, and return the frozen configuration.

    Raises:
        InputError: names the key, what was found and what was expected.
    """
    known = [field.name for field in dataclasses.fields(ConfigNode)]
    if unknown := sorted({str(key) for key in node} - {*known, "hydra"}):
        raise InputError(f"{unknown[0]}: unknown key; the choices are {', '.join(known)}")
    try:
        own = OmegaConf.masked_copy(with_members(node), known)
        resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
        # once more through the schema, which has not seen what interpolations have come to
        typed = OmegaConf.merge(OmegaConf.structured(ConfigNode), resolved)
        values: dict[str, Any] = OmegaConf.to_container(typed)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from None
    _check_numbers(values)
    if values["n_jobs"] < 1 and values["n_jobs"] != -1:
        raise InputError(f"n_jobs={values['n_jobs']}: expected at least 1, or -1 for one a core")
    if not re.fullmatch(r"cpu|cuda(:(\d+|auto))?", values["device"]):
        raise InputError(f"device={values['device']}: expected cpu, cuda, cuda:N or cuda:auto")
    if values["rerun"] not in RERUN:
        raise InputError(f"rerun={values['rerun']}: the choices are {', '.join(RERUN)}")
    _check_paths(values)
    task = _call(values["task"], "task")
    return Config(
        task=task,
        dataset=DatasetNode(**values["dataset"]),
        metric=_metric(values["metric"], "metric"),
        algo=_algo(values["algo"]),
        benchmark=_benchmark(values),
        network=NetworkNode(**values["network"]),
        scores=Path(values["paths"]["scores"]).expanduser(),
        runs=values["runs"],
        seed=values["seed"],
        n_jobs=values["n_jobs"],
        device=values["device"],
        sweep=None if values["sweep"] is None else Path(values["sweep"]).expanduser(),
        rerun=values["rerun"],
        dry_run=values["dry_run"],
        hash=_hash(values, store_of(task.function)),
    )


def _call(values: dict[str, Any], group: str) -> Call:
    name, function = _named_function(values, group)
    return Call(name, function, keywords(function, _without(values, "name", "_target_"), group))


def _algo(values: dict[str, Any]) -> Algo:
    name, function = _named_function(values, "algo")
    hints = typing.get_type_hints(function)
    # `score` itself is the main metric's
    scores = [parameter for parameter, hint in hints.items() if hint == Score and parameter != "score"]
    for parameter in scores:
        if not isinstance(values.get(parameter), dict):
            found = "null" if values.get(parameter) is None else values[parameter]
            raise InputError(f"algo.{parameter}={found}: expected a metric, as in metric@algo.{parameter}=synflow")
    metrics = {parameter: _metric(values[parameter], f"algo.{parameter}") for parameter in scores}
    cost, given = None, scores
    if hints.get("cost") == Costs:
        check_value("algo.cost", values.get("cost"), CostName)
        cost, given = values["cost"], [*scores, "cost"]
    seconds = values.get("seconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 < seconds < math.inf):
        raise InputError(f"algo.seconds={seconds}: expected a positive number, or null")
    arguments = _without(values, "name", "_target_", "seconds", *given)
    if arguments.get("N", 0) is None:
        arguments["N"] = SIZE
    arguments = keywords(function, arguments, "algo", given=given)
    return Algo(name, function, arguments, metrics, seconds, cost)


def _named_function(values: dict[str, Any], group: str) -> tuple[str, Callable[..., Any]]:
    for key in ("name", "_target_"):
        if not isinstance(values.get(key), str):
            raise InputError(f"{group}.{key}: missing; expected what conf/{group}/ has")
    return values["name"], find(values["_target_"], f"{group}._target_", given=_GIVEN[group])


def _without(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _benchmark(values: dict[str, Any]) -> BenchmarkCall:
    node = values["benchmark"]
    return BenchmarkCall(
        node["name"],
        find(node["_target_"], "benchmark._target_", given=("dataset",), by_name=("path", "store")),
        None if node["path"] is None else Path(node["path"]),
        Path(values["paths"]["benchmarks"]).expanduser(),
    )


def _check_numbers(values: dict[str, Any]) -> None:
    bounds = {
        "runs": (1, 1_000_000),
        "seed": (0, None),
        "network.C": (1, 1024),
        "network.N": (1, 100),
        "dataset.num_classes": (2, 1_000_000),
        "dataset.image_size": (4, 1024),
    }
    for key, (lowest, highest) in bounds.items():
        group, _, name = key.rpartition(".")
        value = values[group][name] if group else values[name]
        if value < lowest:
            raise InputError(f"{key}={value}: expected at least {lowest}")
        if highest is not None and value > highest:
            raise InputError(f"{key}={value}: expected at most {highest}")
    dataset = values["dataset"]
    if dataset["image_size"] % 4:
        raise InputError(f"dataset.image_size={dataset['image_size']}: expected a multiple of 4, as it is halved twice")
    for key in ("mean", "std"):
        if len(dataset[key]) != 3 or not all(math.isfinite(value) for value in dataset[key]):
            raise InputError(f"dataset.{key}={dataset[key]}: expected 3 numbers, one a channel")
    if min(dataset["std"]) <= 0:
        raise InputError(f"dataset.std={dataset['std']}: expected positive numbers")


def _check_paths(values: dict[str, Any]) -> None:
    for key in ("dataset.root", "benchmark.path"):
        group, name = key.split(".")
        path = values[group][name]
        if path is not None:
            if not path:
                raise InputError(f"{key}: found an empty path; expected a file or folder, or null")
            if not Path(path).expanduser().exists():
                raise InputError(f"{key}={path}: no such file or folder")
            values[group][name] = str(Path(path).expanduser().resolve())
    for name, path in values["paths"].items():
        if not path:
            raise InputError(f"paths.{name}: found an empty path; expected a folder")


def _metric(values: dict[str, Any], group: str) -> Metric:
    if values.get("input") == "members":
        return _many(values, group)
    if isinstance(values.get("members"), dict):  # as many as `repeats`, of which all are this one
        members = tuple(_metric(member, group) for member in values["members"].values())
        return Metric(
            name=f"{values['name']}_x{len(members)}",
            target=None,
            input="members",
            members=members,
            rule="mean",
            key=group,
        )
    if not isinstance(values.get("_target_"), str):
        raise InputError(f"{group}._target_: missing; expected what conf/metric/ has")
    common = {field.name for field in dataclasses.fields(Metric)} - {"arguments", "target", "members", "rule", "key"}
    settings = {key: value for key, value in values.items() if key in common}
    own = {key: value for key, value in values.items() if key not in common | {"_target_"}}
    settings |= {"target": values["_target_"], "arguments": own, "key": group}
    metric = Metric(**keywords(Metric, settings, group))
    for key, choices in _CHOICES.items():
        if getattr(metric, key) not in (None, *choices):
            raise InputError(f"{group}.{key}={getattr(metric, key)}: the choices are {', '.join(choices)}")
    for key in _INPUTS[metric.input]:
        if getattr(metric, key) is None:
            raise InputError(f"{group}.{key}: missing; metrics with input={metric.input} need it")
    # a sweep may set the batch size for its image metrics; it says nothing about the others
    return metric if metric.input == "images" else dataclasses.replace(metric, batch_size=None)


def _many(values: dict[str, Any], group: str) -> Metric:
    """Return a metric that stands for others."""
    own = keywords(_keys_of_many, _without(values, "input", "members"), group)
    members = values.get("members")
    if not isinstance(members, dict):
        found = f"{group}.members={'null' if members is None else members}"
        raise InputError(f"{found}: expected a list of metrics, as {group}.members=[snip,zico]")
    if not members:
        raise InputError(f"{group}.members=[]: expected at least one metric, as {group}.members=[snip,zico]")
    of = tuple(_metric(member, f"{group}.members.{name}") for name, member in members.items())
    name = own["name"]
    if name is None:
        name = "+".join(member.name for member in of)
        name = name if own.get("rule") in (None, "log_rank") else f"{own['rule']}({name})"
    return Metric(name=name, target=None, input="members", members=of, rule=own.get("rule"), key=group)


def _keys_of_many(
    *,
    name: str | None,
    rule: RuleName | None = None,
    batch_size: Annotated[int | None, AtLeast(2)],
    seed: Annotated[int | None, AtLeast(0)],
    repeats: Annotated[int | None, AtLeast(1)],
) -> None:
    """Say which keys a metric that stands for others has, and their types; the last three are those of its members."""


def _hash(values: dict[str, Any], store: str | None) -> str:
    not_hashed = ("n_jobs", "device", "name", "paths", "sweep", "rerun", "dry_run")
    hashed = {key: value for key, value in values.items() if key not in not_hashed}
    if store is not None:  # what the job has done is in there, and nowhere else
        hashed["store"] = str(Path(values["paths"][store]).expanduser().resolve())
    # as before there were such keys, so that earlier results still count
    if hashed["algo"].get("seconds") is None:
        hashed["algo"] = _without(hashed["algo"], "seconds")
    hashed["algo"] = {key: _unless_repeated(value) for key, value in hashed["algo"].items()}
    hashed["metric"] = _unless_repeated(hashed["metric"])
    return digest(hashed)


def _unless_repeated(metric: Any) -> Any:
    return _without(metric, "repeats") if isinstance(metric, dict) and metric.get("repeats") == 1 else metric
