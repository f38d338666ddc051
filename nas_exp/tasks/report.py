"""Tables, figures and a page about a finished sweep, beside the paper's own numbers."""

import importlib.metadata
import logging
import math
import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas_exp import __version__
from nas_exp.config.types import Config
from nas_exp.errors import InputError, listed
from nas_exp.report import metric_figures, metric_tables, proxy_figures, search_figures, search_tables
from nas_exp.report.canvas import import_matplotlib
from nas_exp.report.document import Figure, Section, Table, write_table
from nas_exp.report.evidence import TOP, Evidence, gather, why_unranked
from nas_exp.report.page import write_page
from nas_exp.report.paper.findings import findings as findings_of
from nas_exp.report.paper.numbers import PAPER
from nas_exp.report.proxies import RankedMetrics, rank_metrics
from nas_exp.report.reading import read_sweep
from nas_exp.report.sweep import FinishedSweep
from nas_exp.storage.files import write_as_named
from nas_exp.storage.summary import Summary

log = logging.getLogger(__name__)


def run(config: Config, folder: Path, *, findings: str | None) -> Summary:
    """Write ``report/`` into the sweep's folder.

    Every table as CSV, Markdown and LaTeX, every figure as PNG and SVG, and ``index.html``, which holds all of it. A
    sweep on the paper's search space is put beside the paper's numbers.

    Args:
        config: `config.sweep` is the sweep's folder; `config.dataset.root` may name all datasets' images.
        folder: the job's folder; nothing but the summary is written.
        findings: also write answers to the paper's questions, as Markdown, to this file.

    Raises:
        InputError: there is no such sweep, none of its jobs is a search or a ranking that left a result, or findings
            are asked of a sweep that has none.
    """
    if config.sweep is None:
        raise InputError("sweep=null: expected the folder of a finished sweep, as sweep=multirun_sweeps/NAME")
    import_matplotlib()
    images, path = config.dataset.root, config.benchmark.path
    given = {"dataset.root": None if images is None else Path(images), "benchmark.path": path}
    sweep = read_sweep(config.sweep, given)
    if sweep.space.name == PAPER.space:
        sweep = replace(sweep, reference=PAPER)
    if findings is not None and sweep.task == "correlate":
        raise InputError(f"task.findings={findings}: expected null, as {sweep.folder} is no sweep of searches")
    if findings is not None and sweep.reference is not PAPER:
        raise InputError(f"task.findings={findings}: expected null, as the paper is about space={PAPER.space}")
    for job, why in sweep.missing.items():
        log.warning("missing: %s: %s", job, why)
    target, ceilings = sweep.folder / "report", config.benchmark.store / "ceilings"
    if sweep.task == "correlate":
        sections = build_rankings(sweep, *rank_metrics(sweep, store=ceilings), target)
        top = _all_of(job.config.task.arguments["top"] for job in sweep.jobs)
        return _write(sweep, sections, {"best-scored share": top})
    evidence = gather(sweep, store=ceilings, images=config.dataset.root, device=config.device, n_jobs=config.n_jobs)
    sections = build(sweep, evidence, target)
    if findings is not None:
        write_as_named(Path(findings), findings_of(sweep, evidence))
    return _write(sweep, sections, {"runs a job": _all_of(job.config.runs for job in sweep.all_jobs)})


def _write(sweep: FinishedSweep, sections: Sequence[Section], about: Mapping[str, str]) -> Summary:
    """Write tables and page; `about` says what the numbers of this task depend on, beside what all depend on."""
    target = sweep.folder / "report"
    parts = [part for section in sections for part in section.parts]
    for part in parts:
        if isinstance(part, Table):
            write_table(target, part)
    page = target / "index.html"
    write_page(
        page,
        title=f"Training-free NAS: {sweep.folder.name}",
        sections=sections,
        facts=facts(sweep, about),
        commands=commands(sweep),
    )
    return {
        "sweep": str(sweep.folder),
        "jobs": len(sweep.all_jobs),
        "missing": len(sweep.missing),
        "tables": sum(isinstance(part, Table) for part in parts),
        "figures": sum(isinstance(part, Figure) for part in parts),
        "page": str(page),
    }


def build(sweep: FinishedSweep, evidence: Evidence, target: Path) -> list[Section]:
    """Return the sections of a report on searches; figures are drawn into `target`. Empty sections are left out."""
    ranked: list[Table | Figure] = []
    if evidence.ranked:
        over_all, over_best = metric_tables.correlation_tables(sweep, evidence)
        ranked = [
            over_all,
            over_best,
            metric_figures.ceiling_figure(target, sweep, evidence),
            metric_tables.quality_table(sweep, evidence),
            metric_figures.scatter_figure(target, sweep, evidence),
        ]
    if evidence.similarities:
        ranked.append(metric_figures.similarity_figure(target, sweep, evidence.similarities))
    across: list[Table | Figure] = []
    if evidence.ranking is not None:
        across = [search_figures.rank_figure(target, evidence.ranking), search_tables.rank_table(evidence.ranking)]
    found = [
        Section(
            "What searches found",
            [
                *_about_budgets(sweep),
                *_about_seeds(sweep),
                *_present(search_figures.search_figure(target, sweep), *search_tables.search_tables(sweep)),
            ],
        ),
        Section(
            "Searches at equal cost",
            _present(
                search_figures.equal_cost_figure(target, sweep, evidence),
                *search_tables.equal_cost_tables(sweep, evidence),
            ),
        ),
        Section("Ablations", search_tables.ablation_tables(sweep)),
        Section("How well metrics rank", ranked),
        Section(
            "Which differences are real",
            _present(
                search_tables.mean_table(sweep, evidence), *across, *search_tables.comparison_tables(sweep, evidence)
            ),
        ),
        Section("How searches proceed", _present(search_tables.anytime_table(sweep, evidence))),
        Section("What is missing", missing(sweep, [*_without(sweep, evidence)])),
    ]
    return [section for section in found if section.parts]


def _about_budgets(sweep: FinishedSweep) -> list[str]:
    """Return a paragraph if there are searches with several budgets in seconds."""
    if all(len(jobs) == 1 for jobs in sweep.jobs_by_budget.values()):
        return []
    return [
        "Of searches with several budgets in seconds, the largest counts here and below; what they find within the "
        "others is in “Searches at equal cost”."
    ]


def _about_seeds(sweep: FinishedSweep) -> list[str]:
    """Return a paragraph if runs of several jobs count together."""
    parts = max((job.parts for job in sweep.jobs), key=len, default=())
    if not parts:
        return []
    told = (
        f"Jobs that differ by seed alone count together: {len(sweep.all_jobs)} jobs of {len(parts)} seeds are "
        f"{len(sweep.jobs)} searches, each with the runs of all seeds."
    )
    if parts[0].config.metric.seed != parts[-1].config.metric.seed:
        told += (
            f" Metrics draw with the seed as well: how well they rank is that of seed={parts[0].config.seed} alone, "
            "and whether a run has found the best-scored network is not said."
        )
    return [told]


def _present(*parts: Table | Figure | None) -> list[Table | Figure]:
    return [part for part in parts if part is not None and not (isinstance(part, Table) and not part.rows)]


def build_rankings(
    sweep: FinishedSweep, datasets: Mapping[str, RankedMetrics], sentences: Sequence[str], target: Path
) -> list[Section]:
    """Return the sections of a report on a sweep of task=correlate; figures are drawn into `target`.

    Args:
        sweep: the sweep.
        datasets: how well metrics rank, by dataset.
        sentences: about what could not be read.
        target: the folder of the report.
    """
    found = [
        Section("What a better ranking costs", [proxy_figures.quality_figure(target, sweep, datasets)]),
        *(
            Section(
                f"How well metrics rank {sweep.label(dataset)}",
                _present(
                    metric_tables.proxy_table(sweep, dataset, ranked),
                    proxy_figures.agreement_figure(target, sweep, dataset, ranked),
                ),
            )
            for dataset, ranked in datasets.items()
        ),
        Section("What is missing", missing(sweep, sentences)),
    ]
    return [section for section in found if section.parts]


def missing(sweep: FinishedSweep, others: Sequence[str]) -> list[Table | Figure | str]:
    """Return a paragraph for everything that is missing from the report; `others` are those of its own."""
    sentences: list[Table | Figure | str] = [f"No whole result of {job}: {why}" for job, why in sweep.missing.items()]
    reasons = dict.fromkeys(sweep.skipped.values())
    for reason in reasons:
        jobs = [job for job, other in sweep.skipped.items() if other == reason]
        sentences.append(f"Left out by the sweep, {len(jobs)} jobs: {reason}: {'; '.join(jobs)}")
    sentences += [*sweep.apart, *others]
    if sweep.accuracy_name != "test":
        sentences.append("The benchmark has no test accuracy: figures and statistics are about validation accuracy.")
    return sentences


def _without(sweep: FinishedSweep, evidence: Evidence) -> Iterator[str]:
    for (dataset, search), job in sweep.main_jobs.items():
        for column, kind in (("val_acc", "validation"), ("test_acc", "test")):
            found, known = (np.count_nonzero(np.isfinite(job.runs[name])) for name in ("arch_index", column))
            if known < job.config.runs and (known or column == sweep.accuracy):
                yield (
                    f"{sweep.search_label(search)} on {sweep.label(dataset)}: of {job.config.runs} runs, {found} found "
                    f"a network with a finite score, and {known} one whose {kind} accuracy is known"
                )
    for (dataset, metric), ranked in evidence.ranked.items():
        for quality, top, where in ((ranked.rho, 1.0, ""), (ranked.rho_top, TOP, " among the best-scored tenth")):
            if math.isnan(quality.value):
                why = why_unranked(*evidence.scored[dataset, metric], top=top)
                yield f"How {sweep.label(metric)} ranks {sweep.label(dataset)}{where}: {why}"
                break
    yield from (f"K_H on {sweep.label(dataset)}: {why}" for dataset, why in evidence.without_similarities.items())
    yield from (f"{metric} on {dataset}: {why}" for (dataset, metric), why in evidence.absent.items())
    yield from (
        f"{sweep.search_label(search)} on {sweep.label(dataset)}, by cost: nothing says what its scores took"
        for dataset, costs in evidence.equal_cost.items()
        for search in costs.timeless
    )


def facts(sweep: FinishedSweep, about: Mapping[str, str]) -> dict[str, str]:
    """Return what the numbers depend on; `about` is what those of this task depend on besides."""
    configs = [job.config for job in sweep.all_jobs]
    return {
        "jobs": f"{len(configs)} finished, {len(sweep.missing)} missing, {len(sweep.skipped)} left out",
        **about,
        "seed": listed(dict.fromkeys(config.seed for config in configs)),
        "benchmark": _all_of(config.benchmark.name for config in configs),
        "made with nas-exp": _all_of(job.summary.get("version") for job in sweep.all_jobs),
        "reported with nas-exp": __version__,
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "matplotlib", "scikit-posthocs")},
    }


def _all_of(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))


def commands(sweep: FinishedSweep) -> list[str]:
    """Return the commands that make the sweep and its report."""
    return [
        *([sweep.command] if sweep.command else ()),
        shlex.join(["python", "run.py", "task=report", f"sweep={sweep.folder}"]),
    ]
