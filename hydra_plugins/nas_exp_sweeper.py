"""Hydra looks for sweepers here and nowhere else. The rest of sweeping is in nas_exp/sweeps.py."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from nas_exp.config.check import Config
    from nas_exp.sweeps.jobs import Job, State


class GridSweeper(BasicSweeper):
    """The grid of all swept values: each combination once, checked before anything runs, all counted at the end."""

    def __init__(
        self,
        params: dict[str, str] | None = None,
        together: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        skip_unavailable: bool = False,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)
        self.together = together or {}
        self.skip_unavailable = skip_unavailable

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs that are to be run; whatever becomes of them, close with one table over all that finished.

        Raises:
            JobsFailedError: not all of them finished.
            InputError: a combination is wrong; nothing was run.
        """
        from nas_exp.storage.files import replacing
        from nas_exp.storage.locks import alone
        from nas_exp.sweeps.closing import close, list_jobs
        from nas_exp.sweeps.jobs import open_sweep, to_run
        from nas_exp.sweeps.launch import run_jobs

        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        configs, skipped = self._jobs(arguments)
        hashes = {job: config.hash for job, config in configs.items()}
        if self.config.dry_run:
            states = self._states(hashes)
            list_jobs(folder, configs, states, to_run(states, self.config.rerun))
            return
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            with replacing(folder / "multirun.yaml") as temporary:
                OmegaConf.save(self.config, temporary)
            run = open_sweep(folder, hashes, self._states(hashes), skipped, self.config.rerun)
            cause = run_jobs(folder, run, self._launch, at_most=self.max_batch_size)
            close(folder, hashes, cause, again=_again(folder))

    def _jobs(self, arguments: list[str]) -> "tuple[dict[Job, Config], dict[Job, str]]":
        """Return all jobs, checked, and those that lack what they need, each with the reason."""
        from nas_exp.config.check import check
        from nas_exp.sweeps.jobs import combine, plan
        from nas_exp.tasks import lacking

        assert self.hydra_context is not None
        assert self.config is not None
        _check_sets(self.together)
        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        (grid,) = BasicSweeper.split_arguments(overrides, None)
        jobs = plan(combine(grid, self.together))
        configs = {job: check(loader.load_sweep_config(self.config, self._overrides(job))) for job in jobs}
        reasons = {job: lacking(config) for job, config in configs.items()} if self.skip_unavailable else {}
        skipped = {job: reason for job, reason in reasons.items() if reason is not None}
        return {job: config for job, config in configs.items() if job not in skipped}, skipped

    def _states(self, hashes: "Mapping[Job, str]") -> "dict[Job, State]":
        from nas_exp.sweeps.jobs import state

        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        return {job: state(folder / job.folder, config_hash) for job, config_hash in hashes.items()}

    def _overrides(self, job: "Job") -> list[str]:
        assert self.config is not None
        # Told here, once: the time in the sweep's name, and the folder that a relative path starts from
        folder = str(Path(self.config.hydra.sweep.dir).absolute())
        return [*job.overrides, f"hydra.sweep.dir={_quoted(folder)}", f"hydra.sweep.subdir={_quoted(job.folder)}"]

    def _launch(self, jobs: "Sequence[Job]") -> "Sequence[JobReturn]":
        assert self.launcher is not None
        return self.launcher.launch([self._overrides(job) for job in jobs], initial_job_idx=0)


def _check_sets(together: object) -> None:
    from nas_exp.errors import InputError

    if not isinstance(together, Mapping) or not all(
        isinstance(sets, Sequence) and all(isinstance(values, Mapping) for values in sets) for sets in together.values()
    ):
        raise InputError(
            f"hydra.sweeper.together={together}: expected lists of sets of values, "
            "as {evolution: [{algo.P: 20, algo.S: 10}, {algo.P: 100, algo.S: 2}]}"
        )


def _again(folder: Path) -> str:
    """Return the command that runs what is missing of a sweep."""
    from nas_exp.config.program import started_as

    kept = [argument for argument in sys.argv[1:] if not argument.lstrip("+").startswith(("name=", "rerun="))]
    return shlex.join([*started_as(), *kept, f"name={folder.name}"])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
