"""Hydra's and OmegaConf's complaints about a command line, each in one line."""

import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from nas_exp.config.program import started_as
from nas_exp.errors import InputError, raised_in, shown

_EXTRAS = {"hydra_plugins.hydra_submitit_launcher": "slurm", "hydra_plugins.hydra_ray_launcher": "ray"}
"""The modules of launchers that are optional, and the extra that installs them."""


_SEVERAL = re.compile(r"Ambiguous value for argument '(.*)'$", re.MULTILINE)
"""How Hydra begins its complaint about ``key=a,b`` without -m."""


def one_line(error: BaseException) -> str:
    """Return one line that names the key or choice, what was found, and what was expected where that is known."""
    if (own := _own_error(error)) is not None:
        return str(own)
    if (line := _of_hydra(error)) is not None:
        return line
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        known = cause.parent_node
        if isinstance(cause, ConfigAttributeError | ConfigKeyError) and isinstance(known, DictConfig):
            choices = ", ".join(str(key) for key in known if key not in ("name", "_target_"))
            return f"{shown(cause.full_key)}: unknown key; the choices are {choices or 'none'}"
        return f"{shown(cause.full_key)}: {shown(str(cause).splitlines()[0])}"
    lines = [shown(line) for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines) or f"Hydra cannot make sense of the arguments ({type(error).__name__})"


def _of_hydra(error: BaseException) -> str | None:
    """Return what one of Hydra's errors means in our words, if we have any."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={choice}: unknown; the choices are {', '.join(error.options)}"
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if (several := _SEVERAL.match(str(error))) is not None:
        command = shlex.join([*started_as(), "-m", several[1]])
        return f"{shown(several[1])}: found several values; expected one, or -m, which runs a job for each: {command}"
    for module, extra in _EXTRAS.items():
        if f"Unknown plugin class : '{module}." in str(error):
            return f"hydra/launcher: this one needs a package that is not installed; pip install 'nas-exp[{extra}]'"
    return None


def _unreadable(override: str) -> str:
    """Return what is wrong with an argument that Hydra cannot parse: most often a value that needs quotation marks."""
    key, equals, value = override.partition("=")
    if value[:1] + value[-1:] in ("[]", "{}"):
        return f"{shown(override)}: not a list or mapping that Hydra can read; in it, quote text, as {key}=['a b',…]"
    quoted = f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    try:
        OverridesParser.create().parse_override(quoted if equals else "")
    except HydraException:
        return f"{shown(override)}: expected key=value"
    return (
        f"{shown(override)}: Hydra's grammar gives a meaning to some of these characters; "
        f"expected a value that is plain text in quotation marks: {shown(shlex.quote(quoted))}"
    )


def is_about_arguments(error: BaseException) -> bool:
    """Whether an exception is a complaint about the command line: ours, or one that Hydra's own code raises."""
    if isinstance(error, InputError | HydraException | OmegaConfBaseException):
        return True
    return raised_in(error) in ("hydra", "omegaconf", "antlr4")


def _own_error(error: BaseException | None) -> InputError | None:
    """Find the error of ours that Hydra or OmegaConf has wrapped into one of theirs."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
