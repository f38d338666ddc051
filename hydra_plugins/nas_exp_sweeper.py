"""Hydra looks for sweepers here and nowhere else. The rest of sweeping is in nas_exp/sweeps.py."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override


class GridSweeper(BasicSweeper):
    """The grid of all swept values: each combination once, checked before anything runs, all counted at the end."""

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        """Name the folder of each job by its overrides, and drop repetitions."""
        from nas_exp.sweeps import plan

        combinations = [job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]
        self.jobs = plan(combinations)
        named = [[*job.overrides, f"hydra.sweep.subdir='{job.folder}'"] for job in self.jobs]
        return [list(batch) for batch in self.split_overrides_to_chunks(named, max_batch_size)]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose and check the configuration of every job."""
        from nas_exp.config import check

        assert self.hydra_context is not None
        assert self.config is not None
        for overrides in batch:
            check(self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides)))
        self.checked = True

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs; whatever becomes of them, close with one table over those that finished.

        Raises:
            JobsFailedError: not all of them finished.
            InputError: a combination is wrong; nothing was run.
        """
        from nas_exp.report.sweep import close

        self.checked = False
        cause: Exception | None = None
        try:
            super().sweep(arguments)
        except Exception as error:
            if not self.checked:
                raise
            cause = error  # a job's own, which stands in its folder too, or what ended the jobs without one
        assert self.config is not None
        close(Path(self.config.hydra.sweep.dir), self.jobs, cause)
