"""Hydra's and OmegaConf's complaints about a command line, each told in one line."""

from hydra.errors import MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException


def one_line(error: BaseException) -> str:
    """Return one line that names the key or choice, what was found, and what was expected where that is known."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={choice}: unknown; the choices are {', '.join(error.options)}"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        known = cause.parent_node
        if isinstance(cause, ConfigAttributeError | ConfigKeyError) and isinstance(known, DictConfig):
            choices = ", ".join(str(key) for key in known if key not in ("name", "_target_"))
            return f"{cause.full_key}: unknown key; the choices are {choices}"
        return f"{cause.full_key}: {str(cause).splitlines()[0]}"
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
