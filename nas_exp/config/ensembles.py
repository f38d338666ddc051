"""Metrics with members: ensembles, suites, and repetitions over seeds."""

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nas_exp.errors import InputError

FOR_ALL = ("batch_size", "seed", "repeats")
"""Keys that a metric with members sets for all members that have them."""

_MOST_REPEATS = 1000
"""Each is a metric of its own in the job's configuration."""


def with_members(node: DictConfig) -> DictConfig:
    """Return a job's configuration in which each metric with members holds their configurations.

    Members that are names become what conf/metric/ says of them, so that the configuration says all that the job
    depends on, whatever becomes of the files; a metric with `repeats` gets as many members, which are itself with one
    seed after the other.

    Args:
        node: the configuration; it is returned itself where no metric has members.

    Raises:
        InputError: a member is not a metric, or not one that is computed from a network.
    """
    try:
        keys = [key for key in ("metric", *_keys_of_algo(node)) if _is_to_do(OmegaConf.select(node, key))]
        filled = node.copy() if keys else node
        for key in keys:
            _fill_in(OmegaConf.select(filled, key), key)
    except OmegaConfBaseException:  # an interpolation that leads nowhere; who checks the configuration names it
        return node
    return filled


def _keys_of_algo(node: DictConfig) -> list[str]:
    algo = OmegaConf.select(node, "algo")
    return [f"algo.{key!s}" for key in algo] if isinstance(algo, DictConfig) else []


def _is_to_do(metric: Any) -> bool:
    return isinstance(metric, DictConfig) and (OmegaConf.is_list(metric.get("members")) or _is_repeated(metric))


def _is_repeated(metric: DictConfig) -> bool:
    # a wrong value is reported when the metric is checked
    repeats = metric.get("repeats")
    return isinstance(repeats, int) and repeats > 1 and "members" not in metric


def _fill_in(metric: DictConfig, key: str) -> None:
    """Put into a metric's node what its members are, and into theirs what their members are."""
    with open_dict(metric):
        if _is_repeated(metric):
            if metric.repeats > _MOST_REPEATS:
                raise InputError(f"{key}.repeats={metric.repeats}: expected at most {_MOST_REPEATS:,}")
            seed = metric.get("seed")
            once = {str(number): metric.copy() for number in range(metric.repeats)}
            metric.members = once
            for number, member in enumerate(metric.members.values()):
                member.repeats = 1
                if isinstance(seed, int):
                    member.seed = seed + number
            return
        metric.members = {name: _member(name, f"{key}.members") for name in dict.fromkeys(map(str, metric.members))}
    for member in metric.members.values():
        for name in FOR_ALL:
            # what only counts draws nothing, and its table is the same whatever the seed
            if name == "seed" and member.get("network") in ("counts", "blueprint"):
                continue
            if metric.get(name) is not None and member.get(name) is not None:
                member[name] = metric[name]
        if _is_repeated(member):
            _fill_in(member, key)


def _member(name: str, key: str) -> Any:
    loader = GlobalHydra.instance().config_loader()
    choices = sorted(loader.get_group_options("metric"))
    if name not in choices:
        raise InputError(f"{key}: {name} is not a metric; the choices are {', '.join(choices)}")
    member = loader.load_configuration(f"metric/{name}", overrides=[], run_mode=RunMode.RUN).metric
    if member.get("input") in ("benchmark", "members"):
        raise InputError(f"{key}: {name} is not computed from a network; expected metrics that are")
    return member
