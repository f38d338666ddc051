"""The parts of a job for use in Python: compose a configuration, read a score table, search, draw.

`configure` takes the keys and values of the command line, for one job; sweeps, and what `+experiment=` brings along,
are the command line's. Relative paths are relative to the current folder, whose conf/ adds choices to ours.
"""

from hydra import compose, initialize_config_dir

from nas_exp.config.check import check
from nas_exp.config.hydra_errors import is_about_arguments, one_line
from nas_exp.config.program import CONF, add_current_conf
from nas_exp.config.schema import register_schema
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.report.job_figures import draw_trajectories
from nas_exp.scoring.source import source_of
from nas_exp.scoring.table import Scores
from nas_exp.tasks.search import search

__all__ = ["configure", "draw_trajectories", "known_scores", "run_searches", "search"]

run_searches = search
"""The name in `nas_exp`, where `search` is a package."""


def known_scores(config: Config) -> Scores:
    """Return the known scores of the configured metric; nothing is computed.

    Raises:
        InputError: the benchmark or the images lack what the metric needs.
    """
    return source_of(config).known()


def configure(*overrides: str) -> Config:
    """Return the configuration that ``nas-exp OVERRIDES`` means, as ``configure("metric=relu", "algo.N=300")``.

    Raises:
        InputError: names the key, what was found and what was expected.
    """
    register_schema()
    add_current_conf()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return check(compose("config", list(overrides)))
    except Exception as error:
        if isinstance(error, InputError) or not is_about_arguments(error):
            raise
        raise InputError(one_line(error)) from None
