"""The folder of a single job: checked and taken before Hydra writes there, so that a refused job changes nothing."""

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from nas_exp.config.check import check, check_subfolder
from nas_exp.errors import InputError
from nas_exp.storage.files import read_small
from nas_exp.storage.locks import LOCK, has_been_locked, lock
from nas_exp.storage.summary import FILES, STARTED, State, remove, state


class RefusedError(BaseException):
    """Carries an error past Hydra, which makes a warning of an exception that a callback raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class SingleJob(Callback):
    """What Hydra calls before it makes the folder of a single job, as conf/hydra/default.yaml says."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the configuration and take the folder, whose lock is held until this process ends.

        Raises:
            RefusedError: the configuration or the folder cannot be used.
        """
        self._held = ExitStack()
        HydraConfig.instance().set_config(config)  # which the name of the folder may refer to
        try:
            _take(config, self._held)
        except Exception as error:
            raise RefusedError(error) from None


def _take(node: DictConfig, held: ExitStack) -> None:
    check_subfolder(node.hydra.output_subdir)
    config = check(node)
    if config.dry_run or config.rerun != "missing":
        key, value = ("dry_run", "true") if config.dry_run else ("rerun", config.rerun)
        raise InputError(f"{key}={value}: is about the jobs of a sweep; expected -m")
    folder = Path(node.hydra.run.dir)
    if is_unnamed(node, folder):
        folder = make_new(folder)
        with read_write(node.hydra):
            node.hydra.run.dir = str(folder)
    check_ours(folder, (*FILES, str(STARTED.parent)), says=STARTED.with_name("hydra.yaml"))
    _free(folder, config.hash)  # before the lock, which writes who holds it
    folder.mkdir(parents=True, exist_ok=True)
    held.enter_context(lock(folder, wait=False))
    remove(folder, _free(folder, config.hash))


def _free(folder: Path, config_hash: str) -> State:
    """Return what is in a folder, unless it is the result of another configuration."""
    found = state(folder, config_hash)
    if found is State.OTHER:
        raise InputError(f"{folder}: has the result of another configuration; expected another name for this one")
    return found


def is_unnamed(node: DictConfig, folder: Path) -> bool:
    """Whether a folder is named by the time of the start, which two commands may share."""
    return OmegaConf.is_interpolation(node, "name") and folder.name == str(node.name)


def make_new(folder: Path) -> Path:
    """Make a folder that is not there yet, with a number after its name if need be, and return it.

    Raises:
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        new = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            new.mkdir()
        except FileExistsError:
            continue
        return new
    raise AssertionError("numbers do not end")


def check_ours(folder: Path, names: Sequence[str], *, says: Path) -> None:
    """Check that files which would be replaced in a folder are there because of us.

    Args:
        folder: the folder, which may be missing.
        names: what we would replace, beside the lock.
        says: the file in it in which Hydra keeps its settings: ours name our sweeper, also before jobs had locks.

    Raises:
        InputError: something of these names is there, and not because of us.
    """
    theirs = [name for name in (*names, LOCK) if (folder / name).exists()]
    if not theirs or has_been_locked(folder):
        return
    if not ((folder / says).is_file() and b"nas_exp" in read_small(folder / says)):
        raise InputError(f"{folder / theirs[0]}: is there, and no job of ours has made it; expected another folder")
