"""What the files in conf/ refer to: the types of their keys, and three resolvers."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import MISSING, OmegaConf

from nas_exp.config.names import check_name
from nas_exp.config.program import conf_folders, started_as


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
    space: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    paths: PathsNode = MISSING
    runs: int = MISSING
    seed: int = MISSING
    n_jobs: int = MISSING
    device: str = MISSING
    sweep: str | None = None
    rerun: str = MISSING
    dry_run: bool = MISSING
    name: Any = MISSING  # not str: of 1e5 a word would become 100000.0, which is no name that anybody gave


def register_schema() -> None:
    """Make known to Hydra what the files in conf/ refer to: the schema, and three resolvers."""
    ConfigStore.instance().store(name="schema", node=ConfigNode)
    OmegaConf.register_new_resolver("folder_name", partial(check_name, "name"), replace=True)
    OmegaConf.register_new_resolver("choices", describe_choices, replace=True)
    OmegaConf.register_new_resolver("program", lambda: " ".join(started_as()), replace=True)


def describe_choices(group: str) -> str:
    """Return a line for each file of a group: its name, and its first comment.

    The files are those on Hydra's search path: in our conf/, the current folder's and the one of ``--config-dir``.
    """
    folders = conf_folders(GlobalHydra.instance().config_loader().get_search_path())
    files = [file for folder in folders for file in sorted((folder / group).glob("*.yaml"))]
    width = max(len(file.stem) for file in files)
    return "\n".join(f"{file.stem:<{width}}  {_first_comment(file)}" for file in files)


def _first_comment(file: Path) -> str:
    """Return the first line of a file that is not one for Hydra, without its mark."""
    lines = (line.lstrip("# ").rstrip() for line in file.read_text(encoding="utf-8").splitlines())
    return next((line for line in lines if not line.startswith("@package")), "")
