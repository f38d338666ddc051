"""The program when installed: `nas-exp` and `python -m nas_exp`. In a checkout it is run.py."""

import sys

if __name__ == "__main__":  # `-m` puts the current folder first, where a random.py or a numpy.py would hide a library
    sys.path.append(sys.path.pop(0))

import hydra
from omegaconf import DictConfig

from nas_exp.cli import run_job, run_program
from nas_exp.config.program import CONF, add_current_folder


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _jobs(node: DictConfig) -> None:
    run_job(node)


def _here() -> None:
    add_current_folder()
    _jobs()


def main() -> int:
    """Run the program and return its exit code."""
    return run_program(_here)


if __name__ == "__main__":
    sys.exit(main())
