"""The configurations of a sweep's jobs, as Hydra composes them, in a time that thousands of jobs can bear."""

import functools
import itertools
import operator
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException


class Composer:
    """Composes configurations. Those that differ only in plain values share what Hydra has composed."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """Start without any.

        Args:
            loader: Hydra's.
            master: the configuration that the sweep was started with.
        """
        self._loader, self._master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._shared = functools.cache(self._composed)
        self._is_group = functools.cache(lambda key: bool(loader.get_group_options(key)))

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a job by its overrides; it may lack Hydra's own part.

        Raises:
            HydraException: an override is wrong.
        """
        parsed = self._parser.parse_overrides(list(overrides))
        is_value = [self._is_value(override) for override in parsed]
        config = self._shared(tuple(itertools.compress(overrides, map(operator.not_, is_value)))).copy()
        try:
            for override in itertools.compress(parsed, is_value):
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:  # Hydra says what is wrong with it
            return self.hydras_own(overrides)
        return config

    def hydras_own(self, overrides: Sequence[str]) -> DictConfig:
        """Return the whole configuration of a job, composed by Hydra alone."""
        return self._loader.load_sweep_config(self._master, list(overrides))

    def _is_value(self, override: Override) -> bool:
        """Whether an override gives a key of ours another value and changes nothing else."""
        key = override.key_or_group
        is_change = not (override.is_delete() or override.is_add() or override.is_force_add())
        return is_change and override.package is None and not key.startswith("hydra") and not self._is_group(key)

    def _composed(self, overrides: tuple[str, ...]) -> DictConfig:
        config = self.hydras_own(overrides)
        with open_dict(config):
            del config["hydra"]  # it is the larger part, and would be copied for each job
        return config
