"""Read a NATS-Bench archive once into a compact table."""

from pathlib import Path

from nas_exp.benchmarks.nats import import_archive
from nas_exp.config.types import Config
from nas_exp.errors import InputError
from nas_exp.storage.summary import Summary

STORE = "benchmarks"


def run(config: Config, folder: Path) -> Summary:
    """Import `benchmark.path` in `config.n_jobs` processes. Resumable; what is there already stays.

    Raises:
        InputError: the benchmark is not an archive, or the archive is not what it should be.
    """
    benchmark = config.benchmark
    if benchmark.name != "nats":
        raise InputError(f"benchmark={benchmark.name}: there is nothing to import; expected benchmark=nats")
    if benchmark.path is None:
        raise InputError("benchmark.path=null: expected the folder or file of a NATS-Bench archive")
    report = import_archive(benchmark.path, benchmark.store, config.space, n_jobs=config.n_jobs)
    return {
        "benchmark": benchmark.name,
        "archive": benchmark.path.name,
        "imported": report.imported,
        "already": report.already,
        "lacking": report.lacking,
        "seconds": report.seconds,
        "table": str(report.folder),
    }
