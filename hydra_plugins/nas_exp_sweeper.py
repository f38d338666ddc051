"""Hydra looks for sweepers here and nowhere else. The rest of sweeping is in nas_exp/sweeps.py."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override


class GridSweeper(BasicSweeper):
    """The grid of all swept values: each combination once, checked before anything runs, all counted at the end."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.started = False

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        """Return all jobs as one batch, each with the folder that its overrides name, repetitions dropped."""
        from nas_exp.sweeps import plan

        assert self.config is not None
        (combinations,) = BasicSweeper.split_arguments(overrides, max_batch_size)
        self.jobs = plan(combinations)
        # The time in the sweep's name is told here, once, and not asked again by every job
        folder = str(self.config.hydra.sweep.dir)
        return [
            [
                [*job.overrides, f"hydra.sweep.dir={_quoted(folder)}", f"hydra.sweep.subdir={_quoted(job.folder)}"]
                for job in self.jobs
            ]
        ]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose and check the configuration of every job, then clear the way for their results."""
        from nas_exp.config import check
        from nas_exp.sweeps import clear

        assert self.hydra_context is not None
        assert self.config is not None
        for overrides in batch:
            check(self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides)))
        clear(Path(self.config.hydra.sweep.dir), self.jobs)
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
