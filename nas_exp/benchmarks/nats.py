"""NATS-Bench archives: imported once into one compact table for each dataset, then loaded in milliseconds."""

import dataclasses
import hashlib
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_exp.benchmarks import DATASETS, Benchmark, table
from nas_exp.errors import InputError, listed, shown
from nas_exp.spaces.space import Space
from nas_exp.storage.damage import DamagedError, read_or_set_aside
from nas_exp.storage.files import check_writable
from nas_exp.storage.parquet import read_table, write_table
from nas_exp.storage.seals import read_json, write_json
from nas_exp.terminal import progress

if TYPE_CHECKING:
    import pyarrow as pa

    from nas_exp.benchmarks.nats_archive import Archive

CHUNK = 32
"""Architectures in a part: a few seconds of work, which is what a kill can cost each process."""

_FINISHED = "archive.json"
"""What is left where a single file was imported whole."""
_READ_AGAIN = "what it was made from is read again"


@dataclasses.dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        folder: where the tables are.
        imported: architectures read now.
        already: architectures that earlier imports had read.
        lacking: architectures of the space that the archive does not hold.
        seconds: how long it took.
    """

    folder: Path
    imported: int
    already: int
    lacking: int
    seconds: float


def load(dataset: str, *, space: Space, path: Path | None, store: Path) -> Benchmark:
    """Load what was imported from an archive.

    Args:
        dataset: one of `nas_exp.benchmarks.DATASETS`.
        space: the topology space.
        path: the archive: a folder NATS-tss-…-simple or a file NATS-tss-….pickle.pbz2. It is not opened.
        store: the folder of imported tables.

    Raises:
        InputError: the archive has not been imported, or what was imported is damaged.
    """
    if path is None:
        raise InputError("benchmark.path: found none; benchmark=nats expects a NATS-Bench archive, a folder or a file")
    file = import_folder(path, store) / f"{dataset}.parquet"
    command = f"`python run.py task=import benchmark=nats benchmark.path={path}`"
    try:
        rows = read_or_set_aside(file, _read_dataset, then="the archive is to be imported again")
    except FileNotFoundError:
        raise InputError(f"benchmark.path: {path} has not been imported; expected {command} to be run first") from None
    if rows is None:
        raise InputError(f"{file}: was damaged; expected {command} to be run again")
    return table.from_table(rows, file, dataset, space, name="nats")


def _read_dataset(file: Path) -> "pa.Table":
    return read_table(file, ("nats_index", "arch_str"))


def _read_part(file: Path) -> "pa.Table":
    return read_table(file, ("nats_index", "arch_str", "stamp"))


def import_folder(path: Path, store: Path) -> Path:
    """Return the folder in `store` for the tables of an archive."""
    resolved = path.expanduser().resolve()
    return store / f"{resolved.name}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:8]}"


def import_archive(path: Path, store: Path, space: Space, *, n_jobs: int) -> ImportReport:
    """Read an archive into one Parquet table for each dataset, as far as that has not been done yet.

    What is read is kept in parts as the work goes on, so after an interruption only the rest is read. Files that have
    changed since are read again. Any number of imports may run at once. Files that are wrong do not keep the others
    from being imported.

    Args:
        path: the archive: a folder NATS-tss-…-simple, which may have gaps, or a file NATS-tss-….pickle.pbz2.
        store: the folder of imported tables.
        space: the topology space.
        n_jobs: processes; -1 is one a core. A single file is read by one.

    Raises:
        InputError: there is no archive, or something in it is not what it should be; the line names the files.
        OSError: the store cannot be written to, which is found out first.
    """
    from nas_exp.benchmarks.nats_archive import open_archive

    started = time.perf_counter()
    path = path.expanduser()
    folder = import_folder(path, store)
    if (count := _count_of_finished_file(path, folder)) is not None:
        return ImportReport(folder, 0, count, len(space) - count, time.perf_counter() - started)
    check_writable(folder)
    archive = open_archive(path, space)
    stamps = {index: _stamp(file) for index, file in archive.files.items()}
    rows, row_of_index = _imported(folder, stamps)
    missing = sorted(stamps.keys() - row_of_index.keys())
    already, wrong = len(row_of_index), dict[int, str]()
    if missing:
        wrong = _import(archive, missing, folder, n_jobs)
        rows, row_of_index = _imported(folder, stamps)
    if lost := stamps.keys() - row_of_index.keys() - wrong.keys():
        file = archive.files[min(lost)]
        raise InputError(f"{file}: has changed while it was read, as one of {len(lost)}; import the archive again")
    if row_of_index:
        _write_tables(folder, rows.take([row for _, row in sorted(row_of_index.items())]))
    if wrong:
        raise InputError(_told(wrong, archive, imported=len(row_of_index)))
    if path.is_file():
        write_json(folder / _FINISHED, {"stamp": _stamp(path), "architectures": len(stamps)})
    seconds = time.perf_counter() - started
    return ImportReport(folder, len(missing), already, len(space) - len(stamps), seconds)


def _count_of_finished_file(path: Path, folder: Path) -> int | None:
    """Return how many architectures were imported from a single file, if all were: opening it would take minutes."""
    if not path.is_file():
        return None
    try:
        report = read_or_set_aside(folder / _FINISHED, _read_finished, then=_READ_AGAIN)
        if report is None or report["stamp"] != _stamp(path):
            return None
        for dataset in DATASETS:
            if read_or_set_aside(folder / f"{dataset}.parquet", _read_dataset, then=_READ_AGAIN) is None:
                return None
    except FileNotFoundError:
        return None
    return report["architectures"]


def _read_finished(file: Path) -> dict[str, Any]:
    report = read_json(file)
    if not report.keys() >= {"stamp", "architectures"}:
        raise DamagedError(f"{file}: not what an import has written")
    return report


def _import(archive: "Archive", missing: list[int], folder: Path, n_jobs: int) -> dict[int, str]:
    """Import architectures; return what is wrong with those that cannot be read."""
    from joblib import Parallel, delayed

    chunks = [archive.part(missing[start : start + CHUNK]) for start in range(0, len(missing), CHUNK)]
    # handing the content of a single file to other processes costs more than reading it out here
    workers = Parallel(n_jobs=n_jobs if archive.results is None else 1, return_as="generator_unordered")
    wrong = dict[int, str]()
    with progress(f"importing {archive.path.name}", len(missing), "architectures") as advance:
        for count, wrong_here in workers(delayed(_import_chunk)(chunk, folder) for chunk in chunks):
            wrong |= wrong_here
            advance(count)
    return wrong


def _import_chunk(chunk: "Archive", folder: Path) -> tuple[int, dict[int, str]]:
    import pyarrow as pa

    from nas_exp.benchmarks.nats_archive import read_results

    # taken before reading: a file that changes meanwhile is read again next time
    stamps = {index: _stamp(file) for index, file in chunk.files.items()}
    results, wrong = read_results(chunk)
    if rows := [{**row, "stamp": stamps[row["nats_index"]]} for row in results]:
        # a new name each time: a part is never replaced, so imports at once can only repeat rows, not lose any
        write_table(folder / "parts" / f"{min(stamps):06d}-{uuid.uuid4().hex}.parquet", pa.Table.from_pylist(rows))
    return len(stamps), wrong


def _told(wrong: dict[int, str], archive: "Archive", *, imported: int) -> str:
    """Return one line about architectures that cannot be read: the first few, and the reasons that they share."""
    rest = f"{imported:,} of {len(archive.files):,} architectures are imported"
    if len(wrong) == 1:
        return f"{next(iter(wrong.values()))}; {rest}"
    names_by_reason = dict[str, list[str]]()
    for index, message in sorted(wrong.items()):
        file = archive.files[index]
        reason = message.removeprefix(f"{file}: ").removeprefix(f"architecture {index}: ")
        name = file.name if archive.results is None else f"architecture {index}"
        names_by_reason.setdefault(shown(reason, longest=150), []).append(name)
    told = [f"{listed(names)}: {reason}" for reason, names in names_by_reason.items()]
    more = f"; and for {len(told) - 3:,} more reasons" if len(told) > 3 else ""
    return f"{archive.path}: {len(wrong):,} files cannot be read, {rest}: {'; '.join(told[:3])}{more}"


def _stamp(file: Path) -> str:
    """Return what changes when a file does; reading a file that is gone says what is wrong with it."""
    try:
        status = file.stat()
    except OSError:
        return "gone"
    return f"{status.st_size}-{status.st_mtime_ns}"


def _imported(folder: Path, stamps: dict[int, str]) -> "tuple[pa.Table, dict[int, int]]":
    """Return all parts as one table, and the row of each architecture whose file is still the one that was read.

    A damaged part is set aside, so that its architectures are read again.
    """
    import pyarrow as pa

    tables = []
    for part in sorted((folder / "parts").glob("[0-9]*.parquet")):
        try:
            rows = read_or_set_aside(part, _read_part, then=_READ_AGAIN)
        except FileNotFoundError:
            continue  # another process has set it aside
        if rows is not None:
            tables.append(rows)
    if not tables:
        return pa.table({}), {}
    rows = pa.concat_tables(tables)
    pairs = enumerate(zip(rows["nats_index"].to_pylist(), rows["stamp"].to_pylist(), strict=True))
    return rows, {index: row for row, (index, stamp) in pairs if stamps.get(index) == stamp}


def _write_tables(folder: Path, rows: "pa.Table") -> None:
    for dataset in DATASETS:
        columns = [column for column in rows.column_names if column.startswith(f"{dataset}/")]
        names = ["nats_index", "arch_str", *(column.partition("/")[2] for column in columns)]
        write_table(
            folder / f"{dataset}.parquet", rows.select(["nats_index", "arch_str", *columns]).rename_columns(names)
        )
