"""The configuration: its schema for Hydra, and the checked, frozen form that everything else sees."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas_exp.arguments import AtLeast, find, keywords
from nas_exp.errors import InputError
from nas_exp.hydra_errors import one_line
from nas_exp.space import TopologySpace

if TYPE_CHECKING:
    from nas_exp.benchmarks import Benchmark


@dataclass
class DatasetNode:
    """conf/dataset/: what networks are built for, and where its images are."""

    name: str = MISSING
    num_classes: int = MISSING
    image_size: int = MISSING  # pixels a side
    mean: list[float] = MISSING  # a channel, 0…255
    std: list[float] = MISSING  # a channel, 0…255
    root: str | None = MISSING


@dataclass
class BenchmarkNode:
    """conf/benchmark/: where trained accuracies come from."""

    name: str = MISSING
    _target_: str = MISSING
    path: str | None = MISSING


@dataclass
class NetworkNode:
    """The cell network's size."""

    C: int = MISSING
    N: int = MISSING


@dataclass
class PathsNode:
    """conf/paths/: where tables are kept."""

    data: str = MISSING
    scores: str = MISSING
    benchmarks: str = MISSING


@dataclass
class ConfigNode:
    """The root. Tasks, metrics and algorithms bring keys of their own, which their functions' signatures type."""

    task: dict[str, Any] = MISSING
    dataset: DatasetNode = MISSING
    metric: dict[str, Any] = MISSING
    algo: dict[str, Any] = MISSING
    benchmark: BenchmarkNode = MISSING
    network: NetworkNode = MISSING
    paths: PathsNode = MISSING
    runs: int = MISSING
    seed: int = MISSING
    n_jobs: int = MISSING
    device: str = MISSING
    name: str = MISSING


def register_schema() -> None:
    """Make the schema known to Hydra under the name that conf/config.yaml uses."""
    ConfigStore.instance().store(name="schema", node=ConfigNode)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric as configured.

    `input` says where scores come from: `images` and `ones` feed an untrained network, `benchmark` reads accuracies
    that training has brought about; the fields that do not apply are None. `network` says what the function is given:
    `cells`, a fast `nas_exp.cells.CellNetwork`, or `modules`, the same network as a `torch.nn.Module`.
    """

    name: str
    target: str
    input: str
    network: str | None = None
    batch_size: Annotated[int | None, AtLeast(2)] = None
    dtype: str | None = None
    seed: Annotated[int | None, AtLeast(0)] = None
    version: int | None = None
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A named function with its keyword arguments: a task or an algorithm."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class BenchmarkCall:
    """A benchmark as configured: what loads it, and from where."""

    name: str
    function: Callable[..., "Benchmark"]
    path: Path | None
    store: Path
    """The folder of imported archives."""

    def load(self, dataset: str) -> "Benchmark":
        """Load what the benchmark has of a dataset.

        Raises:
            InputError: the path is missing or not what it should be.
        """
        return self.function(dataset, path=self.path, store=self.store)


@dataclass(frozen=True)
class Config:
    """The checked configuration of one job."""

    task: Call
    dataset: DatasetNode
    metric: Metric
    algo: Call
    benchmark: BenchmarkCall
    network: NetworkNode
    scores: Path
    """The folder of all score tables."""
    runs: int
    seed: int
    n_jobs: int
    device: str
    hash: str
    """Of everything that results depend on; 16 hexadecimal digits."""


_INPUTS = {  # the common keys that a metric of each kind must have
    "images": ("network", "batch_size", "dtype", "seed", "version"),
    "ones": ("network", "dtype", "seed", "version"),
    "benchmark": (),
}
_CHOICES = {"input": tuple(_INPUTS), "network": ("cells", "modules"), "dtype": ("float32", "float64")}


def check(node: DictConfig) -> Config:
    """Check names, types, ranges, paths and rules across keys, and return the frozen configuration.

    Raises:
        InputError: names the key, what was found and what was expected.
    """
    known = [field.name for field in dataclasses.fields(ConfigNode)]
    if unknown := sorted({str(key) for key in node} - {*known, "hydra"}):
        raise InputError(f"{unknown[0]}: unknown key; the choices are {', '.join(known)}")
    try:
        own = OmegaConf.masked_copy(node, known)
        values: dict[str, Any] = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from None
    for key, minimum in (("runs", 1), ("seed", 0)):
        if values[key] < minimum:
            raise InputError(f"{key}={values[key]}: expected at least {minimum}")
    for key in ("C", "N"):
        if values["network"][key] < 1:
            raise InputError(f"network.{key}={values['network'][key]}: expected at least 1")
    if values["n_jobs"] < 1 and values["n_jobs"] != -1:
        raise InputError(f"n_jobs={values['n_jobs']}: expected at least 1, or -1 for one a core")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", values["device"]):
        raise InputError(f"device={values['device']}: expected cpu, cuda or cuda:N")
    if not re.fullmatch(r"[\w.,=+@ -]+", values["name"]) or values["name"].strip(".") == "":
        raise InputError(f"name={values['name']}: expected a folder name of letters, digits, spaces and . , = + @ - _")
    _check_paths(values)
    algo = _call(values["algo"], "algo")
    _check_budget(algo)
    return Config(
        task=_call(values["task"], "task"),
        dataset=DatasetNode(**values["dataset"]),
        metric=_metric(values["metric"]),
        algo=algo,
        benchmark=_benchmark(values),
        network=NetworkNode(**values["network"]),
        scores=Path(values["paths"]["scores"]).expanduser(),
        runs=values["runs"],
        seed=values["seed"],
        n_jobs=values["n_jobs"],
        device=values["device"],
        hash=_hash(values),
    )


def digest(content: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify a JSON-like mapping, whatever the order of its keys.

    Whole numbers are the same with and without a decimal point, as on the command line.
    """
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _call(values: dict[str, Any], group: str) -> Call:
    values = dict(values)
    name, target = values.pop("name"), values.pop("_target_")
    function = find(target, f"{group}._target_")
    return Call(name, function, keywords(function, values, group))


def _benchmark(values: dict[str, Any]) -> BenchmarkCall:
    node = values["benchmark"]
    return BenchmarkCall(
        node["name"],
        find(node["_target_"], "benchmark._target_"),
        None if node["path"] is None else Path(node["path"]),
        Path(values["paths"]["benchmarks"]).expanduser(),
    )


def _check_budget(algo: Call) -> None:
    size = len(TopologySpace())
    for key in ("N", "P"):
        if algo.arguments.get(key, 0) > size:
            raise InputError(f"algo.{key}={algo.arguments[key]}: expected at most {size}, the size of the space")


def _check_paths(values: dict[str, Any]) -> None:
    for key in ("dataset.root", "benchmark.path"):
        group, name = key.split(".")
        path = values[group][name]
        if path is not None:
            if not Path(path).expanduser().exists():
                raise InputError(f"{key}={path}: no such file or folder")
            values[group][name] = str(Path(path).expanduser().resolve())


def _metric(values: dict[str, Any]) -> Metric:
    common = {field.name for field in dataclasses.fields(Metric)} - {"arguments"}
    settings = {key: value for key, value in values.items() if key in common}
    own = {key: value for key, value in values.items() if key not in common | {"_target_"}}
    metric = Metric(**keywords(Metric, {**settings, "target": values.get("_target_"), "arguments": own}, "metric"))
    for key, choices in _CHOICES.items():
        if getattr(metric, key) not in (None, *choices):
            raise InputError(f"metric.{key}={getattr(metric, key)}: the choices are {', '.join(choices)}")
    for key in _INPUTS[metric.input]:
        if getattr(metric, key) is None:
            raise InputError(f"metric.{key}: missing; metrics with input={metric.input} need it")
    # a sweep may set the batch size for its image metrics; it says nothing about the others
    return metric if metric.input == "images" else dataclasses.replace(metric, batch_size=None)


def _hash(values: dict[str, Any]) -> str:
    without = {key: value for key, value in values.items() if key not in ("n_jobs", "device", "name", "paths")}
    return digest(without)
