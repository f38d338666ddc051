"""The door: from what Hydra has composed to the checked, frozen configuration that everything else sees."""

import dataclasses
import functools
import json
import logging
import math
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas_exp.algos import CostName, Costs, Score
from nas_exp.bounds import AtLeast
from nas_exp.config.ensembles import with_members
from nas_exp.config.hydra_errors import one_line
from nas_exp.config.names import check_name
from nas_exp.config.schema import ConfigNode, DatasetNode
from nas_exp.config.signatures import check_value, find, keywords
from nas_exp.config.types import Algo, BenchmarkCall, Call, Config, Metric, RuleName
from nas_exp.errors import InputError
from nas_exp.networks.devices import AUTO, KINDS
from nas_exp.spaces.space import Dataset, Space
from nas_exp.storage.seals import digest
from nas_exp.storage.summary import RERUN, STARTED

log = logging.getLogger(__name__)

_INPUTS = {  # the common keys that a metric of each kind must have
    "images": ("network", "batch_size", "dtype", "seed", "version"),
    "ones": ("network", "dtype", "seed", "version"),
    "benchmark": (),
    "members": (),
}
_GIVEN = {"task": ("config", "folder"), "algo": ("score", "space", "rng"), "space": ()}
"""What the functions of a group are called with before the keys of their configuration."""
_CHOICES = {
    "input": tuple(_INPUTS),
    "network": ("cells", "live_cells", "modules", "counts"),
    "dtype": ("float32", "float64"),
}
_UNTYPED = ("task", "metric", "algo", "space", "network")
"""Groups whose keys are typed by the functions that they name."""
_SCHEMA = OmegaConf.masked_copy(
    OmegaConf.structured(ConfigNode),
    [field.name for field in dataclasses.fields(ConfigNode) if field.name not in _UNTYPED],
)
_DEFAULT_SPACE = {"name": "topology", "_target_": "nas_exp.spaces.topology.TopologySpace"}
"""What configurations mean that were written before there were other spaces."""
_OLD_FORMS = {"blueprint": "counts"}
"""Forms of a network by their old names, which identities and hashes keep."""


def check(node: DictConfig) -> Config:
    """Check names, types, ranges, paths and rules across keys, and return the frozen configuration.

    Raises:
        InputError: names the key, what was found and what was expected.
    """
    known = [field.name for field in dataclasses.fields(ConfigNode)]
    if unknown := sorted({str(key) for key in node} - {*known, "hydra"}):
        raise InputError(f"{unknown[0]}: unknown key; the choices are {', '.join(known)}")
    try:
        whole = with_members(node)
        values = {str(key): _resolved(whole, str(key)) for key in whole if key != "hydra"}
        # once more through the schema, which has not seen what interpolations have come to
        for key in map(str, _SCHEMA):
            values[key] = json.loads(_typed(key, json.dumps(values[key], default=str) if key in values else None))
        values = {**{key: {} for key in _UNTYPED}, **values}
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from None
    values["space"] = values["space"] or _DEFAULT_SPACE
    _check_numbers(values)
    if values["n_jobs"] < 1 and values["n_jobs"] != -1:
        raise InputError(f"n_jobs={values['n_jobs']}: expected at least 1, or -1 for one a core")
    if not re.fullmatch(rf"({'|'.join(KINDS)})(:(0|[1-9][0-9]?))?|{AUTO}", values["device"]):
        raise InputError(f"device={values['device']}: expected {', '.join(KINDS)}, one of several as cuda:N, or {AUTO}")
    if values["rerun"] not in RERUN:
        raise InputError(f"rerun={values['rerun']}: the choices are {', '.join(RERUN)}")
    _check_paths(values)
    check_name("dataset.name", values["dataset"]["name"])
    check_name("benchmark.name", values["benchmark"]["name"])
    task, space = _call(values["task"], "task"), _space(values)
    return Config(
        task=task,
        dataset=DatasetNode(**values["dataset"]),
        metric=_metric(values["metric"], "metric"),
        algo=_algo(values["algo"], space, searches=_of_task(task, "SEARCHES")),
        benchmark=_benchmark(values, space),
        space=space,
        scores=Path(values["paths"]["scores"]).expanduser(),
        runs=values["runs"],
        seed=values["seed"],
        n_jobs=values["n_jobs"],
        device=values["device"],
        sweep=None if values["sweep"] is None else Path(values["sweep"]).expanduser(),
        rerun=values["rerun"],
        dry_run=values["dry_run"],
        hash=_hash(values, space, task),
    )


def check_subfolder(found: str | None) -> None:
    """Check where Hydra puts a job's configuration: sweeps and reports look for it in one place.

    Raises:
        InputError: it is another place, or nowhere.
    """
    expected = str(STARTED.parent)
    if found != expected:
        raise InputError(f"hydra.output_subdir={'null' if found is None else found}: expected {expected}")


@functools.lru_cache(maxsize=4096)
def _typed(key: str, value: str | None) -> str:
    """Return a value as the schema types it; both are JSON. None stands for no value, and becomes the default."""
    schema = OmegaConf.masked_copy(_SCHEMA, key)
    typed: Any = schema if value is None else OmegaConf.merge(schema, {key: json.loads(value)})
    return json.dumps(OmegaConf.to_container(typed)[key])  # type: ignore[index,call-overload]


def _resolved(node: DictConfig, key: str) -> Any:
    value = node[key]
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
    if key in _UNTYPED:
        raise InputError(f"{key}={value}: expected what a file in conf/{key}/ has")
    return value


def _call(values: dict[str, Any], group: str) -> Call:
    name, function = _named_function(values, group)
    return Call(name, function, keywords(function, _without(values, "name", "_target_"), group))


def _space(values: dict[str, Any]) -> Space:
    """Make the space: the keys of `space` and of `network` are the arguments of its class."""
    name, make = _named_function(values["space"], "space")
    own = _without(values["space"], "name", "_target_")
    arguments = keywords(make, {**values["network"], **own}, "space" if own else "network")
    space = make(**arguments)
    if not isinstance(space, Space):
        raise InputError(f"space._target_={values['space']['_target_']}: expected a class derived from Space")
    space = space.named(name, arguments)
    space.check(Dataset(values["dataset"]["num_classes"], values["dataset"]["image_size"]))
    return space


def _algo(values: dict[str, Any], space: Space, *, searches: bool | None) -> Algo:
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
    size = len(space) if searches else None  # other tasks do not mind what their algorithm could not do
    if arguments.get("N", 0) is None:
        if searches and not space.is_small:
            raise InputError(f"algo.N=null: space={space.name} has {len(space):,} architectures; expected a number")
        arguments["N"] = len(space)
    arguments = keywords(function, arguments, "algo", given=given, space_size=size)
    return Algo(name, function, arguments, metrics, seconds, cost)


def _named_function(values: dict[str, Any], group: str) -> tuple[str, Callable[..., Any]]:
    for key in ("name", "_target_"):
        if not isinstance(values.get(key), str):
            raise InputError(f"{group}.{key}: missing; expected what conf/{group}/ has")
    check_name(f"{group}.name", values["name"])
    return values["name"], find(values["_target_"], f"{group}._target_", given=_GIVEN[group])


def _without(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def _benchmark(values: dict[str, Any], space: Space) -> BenchmarkCall:
    node = values["benchmark"]
    return BenchmarkCall(
        node["name"],
        find(node["_target_"], "benchmark._target_", given=("dataset",), by_name=("space", "path", "store")),
        space,
        None if node["path"] is None else Path(node["path"]),
        Path(values["paths"]["benchmarks"]).expanduser(),
    )


def _check_numbers(values: dict[str, Any]) -> None:
    bounds = {
        "runs": (1, 1_000_000),
        "seed": (0, None),
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
    if settings.get("network") in _OLD_FORMS:
        settings["network"] = _new_form(settings["network"])
    metric = Metric(**keywords(Metric, settings, group))
    check_name(f"{group}.name", metric.name)
    for key, choices in _CHOICES.items():
        if getattr(metric, key) not in (None, *choices):
            raise InputError(f"{group}.{key}={getattr(metric, key)}: the choices are {', '.join(choices)}")
    for key in _INPUTS[metric.input]:
        if getattr(metric, key) is None:
            raise InputError(f"{group}.{key}: missing; metrics with input={metric.input} need it")
    # a sweep may set the batch size for its image metrics; it says nothing about the others
    return metric if metric.input == "images" else dataclasses.replace(metric, batch_size=None)


def _many(values: dict[str, Any], group: str) -> Metric:
    """Return a metric with members."""
    own = keywords(_EnsembleNode, _without(values, "input", "members"), group)
    members = values.get("members")
    if not isinstance(members, dict):
        found = f"{group}.members={'null' if members is None else members}"
        raise InputError(f"{found}: expected a list of metrics, as {group}.members=[snip,zico]")
    if not members:
        raise InputError(f"{group}.members=[]: expected at least one metric, as {group}.members=[snip,zico]")
    of = tuple(_metric(member, f"{group}.members.{name}") for name, member in members.items())
    name = own["name"]
    if name is not None:
        check_name(f"{group}.name", name)
    else:
        name = "+".join(member.name for member in of)
        name = name if own.get("rule") in (None, "log_rank") else f"{own['rule']}({name})"
    return Metric(name=name, target=None, input="members", members=of, rule=own.get("rule"), key=group)


@dataclass(frozen=True, kw_only=True)
class _EnsembleNode:
    """The keys of a metric with members; the last three are set for all members that have them."""

    name: str | None
    rule: RuleName | None = None
    batch_size: Annotated[int | None, AtLeast(2)]
    seed: Annotated[int | None, AtLeast(0)]
    repeats: Annotated[int | None, AtLeast(1)]


@functools.cache
def _new_form(old: str) -> str:
    log.info("metric.network=%s is called %s now; the old name still works", old, _OLD_FORMS[old])
    return _OLD_FORMS[old]


def _hash(values: dict[str, Any], space: Space, task: Call) -> str:
    not_hashed = ("space", "n_jobs", "device", "name", "paths", "sweep", "rerun", "dry_run")
    hashed = {key: value for key, value in values.items() if key not in not_hashed}
    identity = space.identity
    if identity["space"] != _DEFAULT_SPACE["name"]:  # which no earlier configuration has named
        hashed["space"] = identity["space"]
    hashed["network"] = identity["network"]
    if (store := _of_task(task, "STORE")) is not None:  # what the job has done is in there, and nowhere else
        hashed["store"] = str(Path(values["paths"][store]).expanduser().resolve())
    # as before there were such keys, so that earlier results still count
    if hashed["algo"].get("seconds") is None:
        hashed["algo"] = _without(hashed["algo"], "seconds")
    hashed["algo"] = {key: _metric_as_hashed(value) for key, value in hashed["algo"].items()}
    hashed["metric"] = _metric_as_hashed(hashed["metric"])
    return digest(hashed)


def _of_task(task: Call, name: str) -> Any:
    """Return what a task's module says of itself under a name; None if it does not."""
    return getattr(sys.modules[task.function.__module__], name, None)


def _metric_as_hashed(metric: Any) -> Any:
    """Return a metric's values as hashes have always had them: without `repeats` of 1, under old names."""
    if isinstance(metric, dict):
        metric = _without(metric, "repeats") if metric.get("repeats") == 1 else metric
        return _with_old_forms(metric)
    return metric


def _with_old_forms(metric: Any) -> Any:
    if not isinstance(metric, dict):
        return metric
    return {key: old_form(value) if key == "network" else _with_old_forms(value) for key, value in metric.items()}


def old_form(form: str | None) -> str | None:
    """Return the name of a network's form that identities and hashes have."""
    return {new: old for old, new in _OLD_FORMS.items()}.get(form or "", form)
