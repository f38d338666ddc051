"""The parts of a job for use in Python: compose a configuration, read a score table, search, draw.

`configure` takes the keys and values of the command line, for one job; sweeps, and what `+experiment=` brings along,
are the command line's. Relative paths are relative to the current folder. It needs the conf/ of a checkout, from which
the package is installed with ``pip install -e``.
"""

from pathlib import Path

from hydra import compose, initialize_config_dir

from nas_exp.config.check import Config, check
from nas_exp.config.hydra_errors import is_about_arguments, one_line
from nas_exp.config.schema import register_schema
from nas_exp.errors import InputError
from nas_exp.report.job_figures import draw_trajectories
from nas_exp.scoring.scorer import known_scores
from nas_exp.tasks.search import search

__all__ = ["configure", "draw_trajectories", "known_scores", "search"]

_CONF = Path(__file__).parent.parent / "conf"


def configure(*overrides: str) -> Config:
    """Return the configuration that ``python run.py OVERRIDES`` means, as ``configure("metric=relu", "algo.N=300")``.

    Raises:
        InputError: names the key, what was found and what was expected.
    """
    register_schema()
    try:
        with initialize_config_dir(str(_CONF), version_base="1.3"):
            return check(compose("config", list(overrides)))
    except Exception as error:
        if isinstance(error, InputError) or not is_about_arguments(error):
            raise
        raise InputError(one_line(error)) from None
