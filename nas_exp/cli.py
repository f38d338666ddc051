"""The command line around Hydra: one job, and the program as a whole."""

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from logging import FileHandler
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nas_exp import __version__
from nas_exp.config.check import check
from nas_exp.config.ensembles import with_members
from nas_exp.config.hydra_errors import is_about_arguments, one_line
from nas_exp.config.schema import register_schema
from nas_exp.config.types import Config
from nas_exp.errors import (
    LONGEST_LINE,
    FailedError,
    InputError,
    describe,
    is_about_files,
    raised_in,
    shown,
    what_machine_lacks,
)
from nas_exp.networks.settings import keep_freed_memory
from nas_exp.storage.files import write_text
from nas_exp.storage.locks import lock
from nas_exp.storage.processes import check_environment, look_elsewhere
from nas_exp.storage.summary import BENCHMARK, ERROR, STARTED, State, Summary, state, write_summary
from nas_exp.sweeps.jobs import JobsFailedError
from nas_exp.sweeps.single import RefusedError
from nas_exp.terminal import print_anywhere, print_table

log = logging.getLogger(__name__)

FAILED, BAD_INPUT = 1, 2
INTERRUPTED, TERMINATED = 130, 143  # as shells count them


class _Terminated(KeyboardInterrupt):
    """`kill` or a batch system has asked the process to end, which ends everything as Ctrl-C does."""


def run_job(node: DictConfig) -> None:
    """Do one job: check its configuration, run its task, write its summary, and show it unless it is one of many.

    Raises:
        InputError: one of many jobs met bad input.
        SystemExit: the only job did; the line is printed, and Hydra adds none of its own.
    """
    print_anywhere()
    keep_freed_memory()
    look_elsewhere()
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    if hydra_config.mode != RunMode.RUN:
        os.chdir(hydra_config.runtime.cwd)  # where the sweep was started from; a cluster's workers start elsewhere
        with lock(folder, wait=True):
            config = _checked(node, folder)
            if state(folder, config.hash, config.benchmark_digest) is not State.DONE:
                _run_task(config, folder)
        return
    try:
        config = _checked(node, folder)
        summary = _run_task(config, folder)
    except (InputError, FailedError) as error:
        _refuse(error)
    print_table([summary], title=f"{config.task.name}: results in {_shown(folder)}")


def run_program(main: Callable[[], None]) -> int:
    """Run Hydra's main function and return the exit code.

    It is 0, 1 (jobs failed), 2 (bad input), 130 (Ctrl-C) or 143 (SIGTERM). Bad input is one line on stderr. With
    HYDRA_FULL_ERROR=1 in the environment it raises instead, as Hydra's users know.
    """
    if "--version" in sys.argv[1:]:  # of which Hydra would say its own
        main = partial(print, f"nas-exp {__version__}")
    print_anywhere()
    signal.signal(signal.SIGTERM, _terminate)
    register_schema()
    # conf/hydra/launcher/ has settings for launchers that bring a schema of the same name, as is meant
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/.*' is validated against ConfigStore schema")
    # Hydra's parser takes flags before or after all overrides, but not between them
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda argument: argument not in ("-m", "--multirun"))
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        _heard(main)
        return 0
    # Hydra would print its own kind of message and exit with 1. Asked for full errors, it lets the exception pass.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ.pop("MPLBACKEND", None)  # of what shows figures; ours are files
    try:
        _check_current_folder()
        check_environment()
        _heard(main)
    except JobsFailedError:
        return FAILED
    except KeyboardInterrupt as error:
        told, code = ("terminated", TERMINATED) if isinstance(error, _Terminated) else ("interrupted", INTERRUPTED)
        _complain(f"{told}; the scores that were computed are kept")
        return code
    except Exception as error:
        # a log file that cannot be opened is reported as a ValueError
        cause, lacks = error.__cause__ if isinstance(error, ValueError) else error, what_machine_lacks(error)
        if cause is not None and is_about_files(cause):
            _complain(describe(cause, _results_folder()))
        elif lacks is not None:
            _complain(f"{lacks} this command")
        elif is_about_arguments(error):
            _complain(one_line(error))
        else:
            raise
        return BAD_INPUT if lacks is None else FAILED
    return 0


def _check_current_folder() -> None:
    """Check that Hydra can work in the current folder.

    Raises:
        InputError: it has been deleted, or Hydra would take its name for a reference to a key.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise InputError("the current folder has been deleted; expected one that exists") from None
    if "${" in here:
        raise InputError(f"the current folder {here}: Hydra takes ${{…}} for a reference; expected a folder without it")


def _heard(main: Callable[[], None]) -> None:
    try:
        main()
        return
    except RefusedError as refused:
        error = refused.error
    raise error  # here, so that its causes are its own


def _terminate(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
    raise _Terminated


def _checked(node: DictConfig, folder: Path) -> Config:
    """Check a job's configuration; what it says by names alone, such as members of a metric, is kept with the rest."""
    whole = with_members(node)
    config = check(whole)
    if whole is not node:
        write_text(folder / STARTED, OmegaConf.to_yaml(whole))
    return config


def _run_task(config: Config, folder: Path) -> Summary:
    """Run the task, write its summary, and leave its error in the folder, for when the terminal is gone.

    Raises:
        InputError: the input, or a file or folder that the user has named, is not usable.
    """
    try:
        result = config.task.function(config, folder, **config.task.arguments)
        benchmark = {BENCHMARK: config.benchmark_digest()} if config.benchmark.loaded else {}
        summary = {
            "task": config.task.name,
            **result,
            "config_hash": config.hash,
            **benchmark,
            "version": __version__,
        }
        write_summary(folder, summary)
    except (Exception, SystemExit) as error:
        told: Exception
        if isinstance(error, SystemExit):
            if raised_in(error) == "submitit":  # it has queued the job again, whose time is up
                raise
            told = RuntimeError(f"the job has called sys.exit({error.code!r})")
        elif (lacks := what_machine_lacks(error)) is not None:
            told = FailedError(f"{lacks} {_named(config)}; the scores that were computed are kept")
        elif is_about_files(error):
            told = InputError(describe(error))
        else:
            told = error
        is_one_line = isinstance(told, InputError | FailedError)
        _leave_note(folder / ERROR, f"{told}\n" if is_one_line else traceback.format_exc())
        if told is error:
            raise
        raise told from error
    (folder / ERROR).unlink(missing_ok=True)
    return summary


def _leave_note(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:  # the error itself is reported all the same
        log.warning("%s", describe(error))


def _named(config: Config) -> str:
    """Return the keys that say how much work a job is."""
    space = ", ".join(f"{key}={value}" for key, value in config.space.parameters.items())
    keys = f"task={config.task.name} metric={config.metric.name} n_jobs={config.n_jobs} runs={config.runs}"
    return f"{keys} on space={config.space.name} ({space})"


def _refuse(error: InputError | FailedError) -> NoReturn:
    _complain(str(error))
    raise SystemExit(BAD_INPUT if isinstance(error, InputError) else FAILED) from None


def _complain(line: str) -> None:
    print(f"error: {shown(line, longest=LONGEST_LINE)}", file=sys.stderr)


def _results_folder() -> str:
    """Return the folder of the job's log, which Hydra opens before it writes the files whose errors name none."""
    logs = [Path(handler.baseFilename) for handler in logging.getLogger().handlers if isinstance(handler, FileHandler)]
    return str(_shown(logs[0].parent)) if logs else "the results folder"


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
