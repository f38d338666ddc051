"""How the program is started, and where its configuration files are."""

import os
import sys
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

_PACKAGE = Path(__file__).parents[1]

CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"
"""Our configuration files: inside the package when installed, beside it in a checkout."""


def started_as() -> list[str]:
    """Return the words that start this program again."""
    installed = {"nas-exp": ["nas-exp"], "__main__.py": ["python", "-m", "nas_exp"]}
    return installed.get(Path(sys.argv[0]).name, ["python", sys.argv[0]])


def add_current_folder() -> None:
    """Let configurations use the conf/ and the modules of the current folder. Ours come first where names are equal."""
    add_current_conf()
    sys.path.append(os.getcwd())


def add_current_conf() -> None:
    """Let the files in the current folder's conf/, if it has one, be choices beside ours."""
    Plugins.instance().register(_CurrentConf)


def conf_folders(search_path: ConfigSearchPath) -> list[Path]:
    """Return the folders on Hydra's search path."""
    paths = [element.path.removeprefix("file://") for element in search_path.get_path() if element.path is not None]
    return [Path(path) for path in dict.fromkeys(paths) if "://" not in path]


class _CurrentConf(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        current = Path("conf").absolute()
        # other Hydra programs may run in the same process
        if CONF in conf_folders(search_path) and current.is_dir() and not current.samefile(CONF):
            search_path.append("nas-exp", f"file://{current}")
