"""Metrics that stand for others: what their members are."""

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from nas_exp.errors import InputError


def with_members(node: DictConfig) -> DictConfig:
    """Return a job's configuration in which members, given as names, have become what conf/metric/ says of them.

    So it says all that the job depends on, whatever becomes of the files.

    Args:
        node: the configuration; it is returned itself where no metric has members that are names.

    Raises:
        InputError: a member is not a metric, or not one that is computed from a network.
    """
    algo = node.get("algo") or {}
    places = [("metric", node.get("metric")), *((f"algo.{key}", algo.get(key)) for key in algo)]
    named = [key for key, metric in places if isinstance(metric, DictConfig) and _names(metric) is not None]
    if not named:
        return node
    node = node.copy()
    for key in named:
        metric = OmegaConf.select(node, key)
        with open_dict(metric):
            metric.members = {name: _member(name, f"{key}.members") for name in dict.fromkeys(_names(metric) or ())}
    return node


def _names(metric: DictConfig) -> list[str] | None:
    members = metric.get("members")
    return [str(name) for name in members] if OmegaConf.is_list(members) else None


def _member(name: str, key: str) -> Any:
    loader = GlobalHydra.instance().config_loader()
    choices = sorted(loader.get_group_options("metric"))
    if name not in choices:
        raise InputError(f"{key}: {name} is not a metric; the choices are {', '.join(choices)}")
    member = loader.load_configuration(f"metric/{name}", overrides=[], run_mode=RunMode.RUN).metric
    if member.get("input") in ("benchmark", "members"):
        raise InputError(f"{key}: {name} is not computed from a network; expected metrics that are")
    return member
