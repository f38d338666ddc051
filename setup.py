"""What pyproject.toml cannot say: a wheel has the repository's conf/ inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copies conf/ to nas_exp/conf/ of what is built. An editable install uses the repository's."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            built = Path(self.build_lib) / "nas_exp" / "conf"
            shutil.rmtree(built, ignore_errors=True)  # an earlier build's
            shutil.copytree("conf", built)


setup(cmdclass={"build_py": BuildWithConf})
