"""The sweeper, where Hydra looks for plugins. Everything else about sweeps is in nas_exp/sweeps/.

Hydra imports this module whenever it starts, so all that takes time to import is imported in functions.
"""

import itertools
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

from nas_exp.errors import InputError, listed

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from nas_exp.config.types import Config
    from nas_exp.storage.summary import State
    from nas_exp.sweeps.jobs import Job


class GridSweeper(Sweeper):
    """The grid of all swept values: each combination runs once, all are checked before any runs."""

    config: "DictConfig"
    hydra_context: "HydraContext"
    launcher: "Launcher"

    def __init__(
        self,
        params: Mapping[str, str] | None = None,
        together: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        skip_unavailable: bool = False,
        max_batch_size: int | None = None,
    ) -> None:
        self.params = params or {}
        self.together = together or {}
        self.skip_unavailable = skip_unavailable
        self.max_batch_size = max_batch_size

    def setup(self, *, hydra_context: "HydraContext", task_function: "TaskFunction", config: "DictConfig") -> None:
        """Take over what Hydra hands to a sweeper."""
        self.hydra_context, self.config = hydra_context, config
        self.folder = Path(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs that are to be run and close with one table over all that finished, even if others failed.

        Raises:
            JobsFailedError: not all of them finished.
            InputError: a combination is wrong; nothing was run.
        """
        from nas_exp.storage.files import write_text
        from nas_exp.storage.locks import lock
        from nas_exp.sweeps.closing import close, list_jobs
        from nas_exp.sweeps.jobs import JOBS, RESULTS, open_sweep, to_run
        from nas_exp.sweeps.launch import run_jobs
        from nas_exp.sweeps.single import check_ours, is_unnamed, make_new
        from nas_exp.tasks import expected_seconds

        folder = self.folder
        configs, skipped = self._jobs(arguments)
        hashes = {job: config.hash for job, config in configs.items()}
        benchmarks = {job: config.benchmark_digest for job, config in configs.items()}
        if self.config.dry_run:
            states = self._states(configs)
            run = to_run(states, self.config.rerun)
            list_jobs(folder, states, run, lambda job: expected_seconds(configs[job]))
            return
        check_ours(folder, (RESULTS, JOBS, "multirun.yaml"), says=Path("multirun.yaml"))
        if is_unnamed(self.config, folder):
            self.folder = folder = make_new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, wait=False):
            write_text(folder / "multirun.yaml", OmegaConf.to_yaml(self.config))
            states, rerun = self._states(configs), self.config.rerun
            run = open_sweep(folder, hashes, states, skipped, rerun, benchmarks=benchmarks)
            cause = run_jobs(folder, run, self._launch, at_most=self.max_batch_size)
            close(folder, hashes, cause, again=_again(folder), benchmarks=benchmarks)

    def _jobs(self, arguments: list[str]) -> "tuple[dict[Job, Config], dict[Job, str]]":
        """Return the checked configurations of the jobs, and the jobs that are left out with the reason."""
        from nas_exp.config.check import check, check_subfolder
        from nas_exp.sweeps.compose import Composer
        from nas_exp.sweeps.jobs import combine, plan
        from nas_exp.tasks import lacking
        from nas_exp.terminal import with_progress

        check_subfolder(self.config.hydra.output_subdir)
        _check_sets(self.together)
        loader = self.hydra_context.config_loader
        swept = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(swept)
        jobs = plan(combine(_grid(overrides), self.together))
        compose = Composer(loader, self.config)
        configs = {job: check(compose(job.overrides)) for job in with_progress(jobs, "checking the sweep", "jobs")}
        _check_tables(configs.values())
        reasons = {job: lacking(config) for job, config in configs.items()} if self.skip_unavailable else {}
        skipped = {job: reason for job, reason in reasons.items() if reason is not None}
        run = {job: config for job, config in configs.items() if job not in skipped}
        _check_tables(run.values())
        return run, skipped

    def _states(self, configs: "Mapping[Job, Config]") -> "dict[Job, State]":
        from nas_exp.storage.summary import state

        return {
            job: state(self.folder / job.folder, config.hash, config.benchmark_digest)
            for job, config in configs.items()
        }

    def _overrides(self, job: "Job") -> list[str]:
        # Resolved here, once: the time in the sweep's name, and the folder that a relative path starts from
        folder = _quoted(str(self.folder.absolute()))
        return [*job.overrides, f"hydra.sweep.dir={folder}", f"hydra.sweep.subdir={_quoted(job.folder)}"]

    def _launch(self, jobs: "Sequence[Job]") -> "Sequence[JobReturn]":
        return self.launcher.launch([self._overrides(job) for job in jobs], initial_job_idx=0)


def _grid(overrides: "Sequence[Override]") -> list[list[str]]:
    """Return all combinations of the values of each key, as ``key=value``; a key's last override counts."""
    choices: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_discrete_sweep():
            values = [str(value) for value in override.sweep_string_iterator()]
        elif override.is_sweep_override():
            raise InputError(f"{override.input_line}: cannot sweep an interval; expected a list, choice() or range()")
        else:
            values = [override.get_value_element_as_str()]
        choices[key] = [f"{key}={value}" for value in values]
    return [list(combination) for combination in itertools.product(*choices.values())]


def _check_tables(configs: "Iterable[Config]") -> None:
    """Refuse one table for several datasets, which would be right for one of them at most."""
    from nas_exp.benchmarks import table

    datasets: dict[Path, set[str]] = {}
    for config in configs:
        path = config.benchmark.path
        if config.benchmark.function is table.load and path is not None and not path.is_dir():
            datasets.setdefault(path, set()).add(config.dataset.name)
    for path, names in datasets.items():
        if len(names) > 1:
            expected = "a folder with a file for each dataset, or a sweep of one dataset"
            raise InputError(f"benchmark.path={path}: found one table for {listed(sorted(names))}; expected {expected}")


def _check_sets(together: object) -> None:
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
    return QuotedString(value, Quote.single).with_quotes()
