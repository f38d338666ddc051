"""The command line around Hydra: one job, and the program as a whole."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

import nas_exp
from nas_exp.atomic import write_json
from nas_exp.config import check, register_schema
from nas_exp.errors import InputError
from nas_exp.hydra_errors import one_line
from nas_exp.report.table import print_table
from nas_exp.sweeps import ERROR, SUMMARY, JobsFailedError

FAILED, BAD_INPUT = 1, 2
INTERRUPTED = 130  # as shells count it


def run_job(node: DictConfig) -> None:
    """Do one job: check its configuration, run its task, write its summary, and show it unless it is one of many.

    Raises:
        InputError: one of many jobs met bad input.
        SystemExit: the only job did; the line is printed, and Hydra adds none of its own.
    """
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    alone = hydra_config.mode == RunMode.RUN
    try:
        with _noting_errors(folder / ERROR):
            config = check(node)
            (folder / SUMMARY).unlink(missing_ok=True)
            (folder / ERROR).unlink(missing_ok=True)
            summary = {
                "task": config.task.name,
                **config.task.function(config, folder, **config.task.arguments),
                "config_hash": config.hash,
                "version": nas_exp.__version__,
            }
            write_json(folder / SUMMARY, summary)
    except InputError as error:
        if not alone:
            raise
        _complain(str(error))
        raise SystemExit(BAD_INPUT) from None
    if alone:
        print_table([summary], title=f"{config.task.name}: results in {_shown(folder)}")


def run_program(main: Callable[[], None]) -> int:
    """Run Hydra's main function and return the exit code: 0, 1 (jobs failed), 2 (bad input) or 130 (Ctrl-C).

    Bad input is told in one line. With HYDRA_FULL_ERROR=1 in the environment it raises instead, as Hydra's users know.
    """
    register_schema()
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        main()
        return 0
    # Hydra would print its own kind of message and exit with 1. Asked for full errors, it lets the exception pass.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except JobsFailedError:
        return FAILED
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept, and the same command goes on from there")
        return INTERRUPTED
    except Exception as error:
        if _was_running(error):
            raise
        _complain(str(error) if isinstance(error, InputError) else one_line(error))
        return BAD_INPUT
    return 0


def _complain(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)


def _was_running(error: BaseException) -> bool:
    """Whether a job was under way: before that, all that can go wrong is the command line."""
    return any(frame.f_code is run_job.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))


@contextlib.contextmanager
def _noting_errors(path: Path) -> Iterator[None]:
    """Leave a job's error in its folder, for whoever looks there when the terminal is gone."""
    try:
        yield
    except InputError as error:
        path.write_text(f"{error}\n", encoding="utf-8")
        raise
    except Exception:
        path.write_text(traceback.format_exc(), encoding="utf-8")
        raise


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
