"""The only entry point: `python run.py --help` is its manual."""

import sys

import nas_exp  # noqa: F401 - the one beside this file

sys.path.append(sys.path.pop(0))  # what else is beside it hides no library: a random.py, a numpy.py

import hydra
from omegaconf import DictConfig

from nas_exp.cli import run_job, run_program
from nas_exp.config.program import CONF


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(node: DictConfig) -> None:
    """Do one job."""
    run_job(node)


if __name__ == "__main__":
    sys.exit(run_program(main))
