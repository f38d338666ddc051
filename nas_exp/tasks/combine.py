"""Which combinations of metrics rank the space best: the search for an ensemble's members."""

import csv
import functools
import itertools
import logging
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from nas_exp.analysis.ranking import spearman
from nas_exp.bounds import AtLeast
from nas_exp.config.check import Config
from nas_exp.errors import InputError
from nas_exp.scoring.plan import stands_for_several
from nas_exp.scoring.rules import combine, rule_of
from nas_exp.scoring.scorer import known_scores
from nas_exp.storage.files import replacing
from nas_exp.tasks import Summary
from nas_exp.terminal import progress

log = logging.getLogger(__name__)

FILE = "combinations.csv"


def run(
    config: Config, folder: Path, *, size: Annotated[int, AtLeast(1)], accuracy: Literal["val_acc", "test_acc"]
) -> Summary:
    """Correlate every combination of the metric's members with trained accuracy; write them, the best first.

    All combinations are compared on the same architectures: those of which every member has a score. The best of many
    is better here than it will be elsewhere: judge it on another accuracy or dataset.

    Args:
        config: its metric has the candidates as members, and the rule that makes them one score.
        folder: the job's folder, for ``combinations.csv``.
        size: members of the largest combinations.
        accuracy: what is ranked.

    Raises:
        InputError: the metric has no members or no rule, the benchmark no such accuracy, or no architecture has all.
    """
    metric = config.metric
    if not metric.members:
        raise InputError(f"metric={metric.name}: has no members to combine; expected metric=ensemble")
    if metric.rule is None:
        raise stands_for_several(metric)
    names = [member.name for member in metric.members]
    if len(set(names)) < len(names):
        raise InputError(f"metric={metric.name}: is one metric, of several seeds; expected metric=ensemble")
    benchmark = config.benchmark.load(config.dataset.name)
    trained = benchmark.val_acc_200 if accuracy == "val_acc" else benchmark.test_acc_200
    known = np.flatnonzero(np.isfinite(trained))
    if not len(known):
        raise InputError(f"task.accuracy={accuracy}: benchmark={config.benchmark.name} has none of {benchmark.dataset}")
    parts = [known_scores(part) for part in config.of_members()]
    for name, part in zip(names, parts, strict=True):
        if not part.known.any():
            raise InputError(f"metric.members: no score of {name} is there; run task=score first")
    common = functools.reduce(np.intersect1d, [np.flatnonzero(part.known) for part in parts], known)
    if not len(common):
        raise InputError("metric.members: no architecture has a score of each and an accuracy; run task=score first")
    if len(common) < len(known):
        log.warning("only %d architectures have a score of each member", len(common))
    values = np.asarray([part.score[common] for part in parts])
    seconds = np.asarray([float(np.nanmean(part.seconds[common])) for part in parts])
    rule, rows = rule_of(metric.rule), []
    chosen = [
        list(numbers)
        for count in range(1, min(size, len(names)) + 1)
        for numbers in itertools.combinations(range(len(names)), count)
    ]
    with progress(f"members on {config.dataset.name}", len(chosen), "combinations") as advance:
        for numbers in chosen:
            rho = spearman(combine(rule, values[numbers]), trained[common])
            rows.append((rho, [names[number] for number in numbers], float(seconds[numbers].sum())))
            advance(1)
    # of equally good ones, the fewer members the better
    rows.sort(key=lambda row: (-np.inf if row[0] is None else row[0], -len(row[1])), reverse=True)
    with replacing(folder / FILE) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["members", f"rho_{accuracy}", "seconds"])
        writer.writerows(["+".join(members), "" if rho is None else rho, took] for rho, members, took in rows)
    rho, members, took = rows[0]
    return {
        "dataset": config.dataset.name,
        "benchmark": config.benchmark.name,
        "rule": metric.rule,
        "candidates": len(names),
        "combinations": len(rows),
        "architectures": len(common),
        "best": "+".join(members),
        f"rho_{accuracy}": rho,
        "seconds_mean": took,
    }
