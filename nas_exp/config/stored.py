"""Configurations that finished jobs have stored. A results folder may be somebody else's, so they are data.

A value that names code to import (``_target_``), or that looks something up (``${…}``), counts only if this command or
its configuration files have the same value at a key of the same name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nas_exp.config.program import CONF, conf_folders
from nas_exp.config.schema import ConfigNode
from nas_exp.errors import InputError, in_one_line, shown
from nas_exp.storage.files import read_small

_AT_MOST = 2**21
"""Bytes of a stored configuration; one of a metric with a hundred repeats has 2 % of that."""
_OF_YAML = (ValueError, LookupError, TypeError, AttributeError)
"""What PyYAML raises besides its own errors, as of a word that a tag calls a number."""
_GROUPS = (*ConfigNode.__dataclass_fields__, "experiment")


class _Loader(yaml.SafeLoader):
    """Reads plain data. It refuses aliases, by which a few lines can stand for millions of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("found an alias")
        return super().compose_node(parent, index)


def read_plain(file: Path) -> Any:
    """Read a YAML file of a results folder as plain data.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is not one that Hydra writes.
    """
    try:
        return yaml.load(read_small(file, at_most=_AT_MOST), Loader=_Loader)
    except (yaml.YAMLError, *_OF_YAML, RecursionError, IsADirectoryError) as error:
        raise InputError(f"{file}: not a job's configuration ({in_one_line(error)})") from None


def settled(plain: Any, said: set[tuple[str, str]]) -> DictConfig:
    """Return a stored configuration without interpolations.

    Args:
        plain: what its file says.
        said: what may name code or look something up, from `said_here`.

    Raises:
        InputError: something else names code or looks something up, or it is no configuration.
    """
    if not isinstance(plain, dict):
        raise InputError("not a job's configuration")
    _check(plain, said)
    try:
        node = OmegaConf.create(plain)
        _settle(node)
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise InputError(f"not a job's configuration ({in_one_line(error)})") from None
    return node


def said_here() -> set[tuple[str, str]]:
    """Return the last key and the value of all that names code or looks something up in this command's configuration.

    It is in the files on Hydra's search path, which are ours, the current folder's conf/ and those of ``--config-dir``,
    and on the command line.
    """
    is_hydra = GlobalHydra.instance().is_initialized()
    folders = conf_folders(GlobalHydra.instance().config_loader().get_search_path()) if is_hydra else [CONF]
    files = [file for folder in folders for file in folder.glob("*.yaml")]
    files += [file for folder in folders for group in _GROUPS for file in (folder / group).rglob("*.yaml")]
    said = {pair for file in files for pair in _special(_of_ours(file))}
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    pairs = [override.partition("=") for override in map(str, given)]
    return said | {(key.rpartition(".")[2], value) for key, _, value in pairs}


def _of_ours(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, OSError):  # Hydra complains where it is chosen
        return None


def _special(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the last key and the value of all that names code or looks something up."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else ((key, item) for item in value):
            yield from _special(item, str(name).rpartition(".")[2])
    elif isinstance(value, str) and (key == "_target_" or "${" in value):
        yield key, value


def _check(value: Any, said: set[tuple[str, str]], key: str = "") -> None:
    """Check that a value and all in it is data; `key` is its last key."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else ((key, item) for item in value):
            _check(item, said, str(name).rpartition(".")[2])
    elif isinstance(value, str):
        if (key == "_target_" or "${" in value) and (key, value) not in said:
            raise InputError(
                f"{shown(key)}={shown(value)}: is in no file of conf/, and what only a results folder says is neither "
                "run nor looked up; if it is yours, give what the sweep was given: --config-dir, or the key"
            )
        if not value.replace("\n", "").isprintable():
            raise InputError(f"{shown(key)}={shown(value)}: expected a text that can be printed")
    elif not isinstance(value, int | float | None) or (isinstance(value, int) and value.bit_length() > 1000):
        raise InputError(f"{shown(key)}: expected a number, a word, true, false or null")


def _settle(node: DictConfig | ListConfig) -> None:
    """Put in place of each interpolation the number or word that it stands for."""
    for key in range(len(node)) if isinstance(node, ListConfig) else [*node]:
        value, is_node = node[key], isinstance(node[key], DictConfig | ListConfig)
        if OmegaConf.is_interpolation(node, key):
            if is_node:  # in which there may be others, and so on
                raise ValueError(f"{key}: expected a number or a word")
            node[key] = value
        elif is_node:
            _settle(value)
