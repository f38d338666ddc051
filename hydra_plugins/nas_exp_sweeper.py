"""Hydra looks for sweepers here and nowhere else. The rest of sweeping is in nas_exp/sweeps.py."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

if TYPE_CHECKING:
    from nas_exp.sweeps import Job


class GridSweeper(BasicSweeper):
    """The grid of all swept values: each combination once, checked before anything runs, all counted at the end."""

    def __init__(
        self,
        params: dict[str, str] | None = None,
        together: Sequence[Mapping[str, Any]] | None = None,
        skip_unavailable: bool = False,
    ) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.together = together or ()
        self.skip_unavailable = skip_unavailable
        self.started = False

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        """Return all jobs as one batch, repetitions dropped: composed, checked, and with a folder each.

        Raises:
            InputError: a combination is wrong.
        """
        from nas_exp.sweeps import combine, plan

        assert self.config is not None
        (grid,) = BasicSweeper.split_arguments(overrides, max_batch_size)
        self.jobs, self.skipped = self._available(plan(combine(grid, self.together)))
        return [[self._overrides(job) for job in self.jobs]]

    def _overrides(self, job: "Job") -> list[str]:
        assert self.config is not None
        # The time in the sweep's name is told here, once, and not asked again by every job
        folder = str(self.config.hydra.sweep.dir)
        return [*job.overrides, f"hydra.sweep.dir={_quoted(folder)}", f"hydra.sweep.subdir={_quoted(job.folder)}"]

    def _available(self, jobs: "list[Job]") -> "tuple[list[Job], dict[Job, str]]":
        """Check every job, and set aside those whose benchmark lacks what their metric needs, each with the reason."""
        from nas_exp.config import check
        from nas_exp.scorer import lacking

        assert self.hydra_context is not None
        assert self.config is not None
        skipped: dict[Job, str] = {}
        for job in jobs:
            config = check(self.hydra_context.config_loader.load_sweep_config(self.config, self._overrides(job)))
            if self.skip_unavailable and (reason := lacking(config)) is not None:
                skipped[job] = reason
        return [job for job in jobs if job not in skipped], skipped

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Clear the way for the jobs' results, and say which jobs there are not; they have been checked before."""
        from nas_exp.sweeps import open_sweep

        assert self.config is not None
        open_sweep(Path(self.config.hydra.sweep.dir), self.jobs, self.skipped)
        self.started = True

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs; whatever becomes of them, close with one table over those that finished.

        Raises:
            JobsFailedError: not all of them finished.
            InputError: a combination is wrong; nothing was run.
        """
        from nas_exp.report.sweep import close

        cause: BaseException | None = None
        try:
            super().sweep(arguments)
        except (Exception, KeyboardInterrupt) as error:
            if not self.started:
                raise
            cause = error  # a job's own, which stands in its folder too, or what ended the jobs without one
        assert self.config is not None
        close(Path(self.config.hydra.sweep.dir), self.jobs, cause)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
