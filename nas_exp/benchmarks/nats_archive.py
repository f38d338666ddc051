"""Original NATS-Bench archives of the topology space, read without running them.

`nats_bench` knows what the archives mean, but it opens them with an unrestricted `pickle.load`. Here the pickles are
read by `nas_exp.storage.pickles`, and `nats_bench` sees only the plain dicts that come of it.
"""

import bz2
import contextlib
import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nas_exp.benchmarks import DATASETS
from nas_exp.benchmarks.downloads import EXPECTED, META, by_content, by_head, by_name
from nas_exp.benchmarks.table import arch_indices
from nas_exp.errors import InputError, describe, shown
from nas_exp.spaces.space import Space
from nas_exp.storage import pickles
from nas_exp.storage.files import open_regular

if TYPE_CHECKING:
    from nats_bench import ArchResults, NATStopology

_KEYS = dict(zip(DATASETS, ("cifar10-valid", "cifar100", "ImageNet16-120"), strict=True))
_FILE_NAME = re.compile(r"(\d{1,6})\.pickle\.pbz2")
_MOST_EPOCHS = 1000


@dataclasses.dataclass(frozen=True)
class Archive:
    """What an archive holds.

    Attributes:
        path: the folder or file.
        arch_strs: the whole space, in NATS-Bench's order.
        files: which file holds each architecture, by NATS-Bench's index; the architectures that are there.
        space: the topology space.
        results: the results themselves, by NATS-Bench's index, where one file holds all of them; otherwise None.
    """

    path: Path
    arch_strs: list[str]
    files: dict[int, Path]
    space: Space
    results: dict[int, Any] | None = None

    @property
    def schedules(self) -> tuple[str, str]:
        """NATS-Bench's names of the short and the full schedule."""
        assert self.space.schedules is not None
        return str(self.space.schedules.short), str(self.space.schedules.full)

    def part(self, indices: Sequence[int]) -> "Archive":
        """Return the same archive with some of its architectures only."""
        return dataclasses.replace(self, files={index: self.files[index] for index in indices})


def open_archive(path: Path, space: Space) -> Archive:
    """Read which architectures an archive holds; of a single file, everything.

    Raises:
        InputError: there is no archive, it is broken, or it is one of the size space.
    """
    if not path.exists():
        raise InputError(f"benchmark.path: {path} does not exist; {EXPECTED}")
    if (what := by_name(path.resolve())) is not None:
        raise InputError(f"benchmark.path: {path} is {what}")
    if path.is_dir():
        if not (meta := path / META).exists():
            raise InputError(f"benchmark.path: the folder {path} is no archive: {by_content(path)}")
        arch_strs, results = _arch_strs(_read(meta), meta, space), None
        matches = ((file, _FILE_NAME.fullmatch(file.name)) for file in sorted(path.iterdir()))
        files = {int(match[1]): file for file, match in matches if match}
    else:
        content = _read(path)
        arch_strs = _arch_strs(content, path, space)
        results = content.get("arch2infos")
        if not isinstance(results, dict):
            raise InputError(f"{path}: found no results under arch2infos; {EXPECTED}")
        files = dict.fromkeys(results, path)
    if not files:
        raise InputError(f"benchmark.path: found no architecture in {path}; {EXPECTED}")
    for index, file in files.items():
        if type(index) is not int or not 0 <= index < len(arch_strs):
            found = index if type(index) is int else f"of type {type(index).__name__}"
            raise InputError(f"{file}: found architecture {found}; expected one from 0 to {len(arch_strs) - 1}")
    return Archive(path, arch_strs, files, space, results)


def read_results(archive: Archive) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Read what is known about the architectures of an archive.

    Returns:
        For each architecture `nats_index`, `arch_str`, and for each dataset the columns of
        `nas_exp.benchmarks.file_columns`, `params_m` and `flops_m` (millions), named `dataset/column`; for cifar10 also
        `test_acc_FULL_full`, the test accuracy after training on the whole training set. And by their indices, what is
        wrong with those whose file is broken, incomplete, about another architecture, or holds impossible values.
    """
    from nats_bench import NATStopology

    api = NATStopology({"meta_archs": archive.arch_strs, "arch2infos": {}, "evaluated_indexes": []}, verbose=False)
    rows, wrong = [], {}
    for index in archive.files:
        try:
            rows.append(_read_architecture(api, archive, index))
        except InputError as error:
            wrong[index] = str(error)
    return rows, wrong


def _read_architecture(api: "NATStopology", archive: Archive, index: int) -> dict[str, Any]:
    file, arch_str = archive.files[index], archive.arch_strs[index]
    source = str(file) if archive.results is None else f"{file}: architecture {index}"
    results = _read(file) if archive.results is None else archive.results[index]
    for schedule in archive.schedules:
        state = results.get(schedule) if isinstance(results, dict) else None
        # a string would be taken for a file name, and nats_bench would open it
        if not isinstance(state, dict):
            raise InputError(f"{source}: found no results of the {schedule}-epoch schedule; {EXPECTED}")
        found = state.get("arch_str")
        if not isinstance(found, str) or found != arch_str:
            found = shown(found) if isinstance(found, str) else f"a {type(found).__name__}"
            raise InputError(f"{source}: found results of {found}; expected {arch_str} as the archive's list says")
    try:
        for schedule in archive.schedules:
            _check_loops(results[schedule])
        columns = _columns(api, archive.schedules, index, results)
    except Exception as error:  # hostile content can make nats_bench raise anything
        raise InputError(
            f"{source}: found no complete results of a NATS-Bench topology archive ({describe(error)})"
        ) from None
    for column, value in columns.items():
        limit = 100.0 if "_acc_" in column else math.inf
        # costs may be unknown (NaN), accuracies may not
        if not (0 <= value <= limit or ("_acc_" not in column and math.isnan(value))):
            raise InputError(f"{source}: found {column} = {value}; expected a number from 0 to {limit:g}")
    return {"nats_index": index, "arch_str": arch_str, **columns}


def _check_loops(state: dict[str, Any]) -> None:
    """Refuse results over which nats_bench would loop forever: seeds by epochs, and sets of images by epochs."""
    lists = [*state["dataset_seed"].values(), *(trial.get("eval_names", ()) for trial in state["all_results"].values())]
    if any(len(set(each)) < len(each) for each in lists):
        raise InputError("the seeds of a dataset, or a trial's sets of images, are not all different")
    if any(trial["epochs"] > _MOST_EPOCHS for trial in state["all_results"].values()):
        raise InputError(f"a trial has more than {_MOST_EPOCHS} epochs")


def _columns(api: "NATStopology", schedules: tuple[str, str], index: int, results: dict[str, Any]) -> dict[str, float]:
    from nats_bench import ArchResults

    # what NATStopology.reload does with a file; handing the dicts to the constructor would copy them twice
    infos = {schedule: ArchResults.create_from_state_dict(results[schedule]) for schedule in schedules}
    api.arch2infos_dict = {index: infos}
    api.evaluated_indexes = {index}
    columns: dict[str, float] = {}
    short_epochs, full_epochs = schedules
    for dataset, key in _KEYS.items():
        short, full = (api.get_more_info(index, key, hp=schedule, is_random=False) for schedule in schedules)
        costs = _costs(list(infos.values()), key)
        values = {
            f"val_acc_{short_epochs}": short["valid-accuracy"],
            f"val_acc_{full_epochs}": full["valid-accuracy"],
            f"test_acc_{full_epochs}": full["test-accuracy"],
            f"train_seconds_{short_epochs}": short["train-all-time"],
            # one evaluation, after the last epoch: what nats_bench's own simulate_train_eval adds to the training
            f"val_seconds_{short_epochs}": short["valid-per-time"],
            "params_m": costs.get("params"),
            "flops_m": costs.get("flops"),
            "latency_s": costs.get("latency"),
        }
        columns |= {f"{dataset}/{column}": _number(value) for column, value in values.items()}
    whole = api.get_more_info(index, "cifar10", hp=full_epochs, is_random=False)
    return {**columns, f"cifar10/test_acc_{full_epochs}_full": _number(whole["test-accuracy"])}


def _costs(infos: Sequence["ArchResults"], key: str) -> dict[str, Any]:
    # where seeds disagree about a cost, nats_bench insists on seed 888, which only the full schedule has
    for info in infos:
        with contextlib.suppress(ValueError):
            return info.get_compute_costs(key)
    return {}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _read(file: Path) -> Any:
    try:
        with open_regular(file) as compressed:
            head = compressed.read(512)
            if not head.startswith(b"BZh"):
                raise InputError(f"{file}: not a readable pickle: it is {by_head(head)}")
            compressed.seek(0)
            with bz2.open(compressed) as stream:
                return pickles.load(cast(Any, stream), str(file))
    except InputError as error:
        if "refuses to construct torch." in str(error):
            raise InputError(f"{file}: holds trained weights, as the archives named -full do; {EXPECTED}") from None
        raise
    except OSError as error:
        raise InputError(f"{file}: not readable ({error.strerror or error})") from None


def _arch_strs(content: Any, file: Path, space: Space) -> list[str]:
    arch_strs = content.get("meta_archs") if isinstance(content, dict) else None
    if not isinstance(arch_strs, list) or not all(isinstance(arch_str, str) for arch_str in arch_strs):
        raise InputError(f"{file}: found no list of architectures under meta_archs; {EXPECTED}")
    if arch_strs and re.fullmatch(r"\d+(:\d+)+", arch_strs[0]):
        raise InputError(
            f"{file}: found an archive of the size space (NATS-sss); expected the topology space (NATS-tss)"
        )
    arch_indices(arch_strs, space, str(file))
    return arch_strs
