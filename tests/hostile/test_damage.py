"""Damaged files: named in one line and set aside if we made them, left alone if they are the user's; never believed."""

import json
import logging
import math
import pickle
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from nas_exp.benchmarks import COLUMNS, DATASETS, Benchmark, nats, table
from nas_exp.datasets.images import load_images
from nas_exp.errors import InputError
from nas_exp.report.reading import read_sweep
from nas_exp.report.sweep import FinishedSweep
from nas_exp.scoring.table import Row, ScoreTable
from tests.benchmarks.test_nats import META, file_of, read, shortened, write
from tests.conftest import RunProgram, StartProgram
from tests.job_files import BASIC, SMALL, only, scores_of
from tests.topology import SIZE, TOPOLOGY, str_of_index

IDENTITY = {"dataset": "cifar10", "metric": "test", "seed": 0}


def damage(file: Path, drawn: random.Random) -> bytes:
    """Cut a file short, change some of its bytes, or overwrite a stretch with zeros; return what it has become."""
    content = bytearray(file.read_bytes())
    kind, at = drawn.random(), drawn.randrange(len(content))
    if kind < 0.3:
        del content[at:]
    elif kind < 0.9:
        for _ in range(drawn.choice([1, 1, 1, 4])):
            content[drawn.randrange(len(content))] ^= drawn.randrange(1, 256)
    else:
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    file.write_bytes(content)
    return bytes(content)


def refusal(call: Callable[[], Any], name: str) -> str | None:
    """Return how a call refuses its files, which it must do in one line that has the name; None if it runs."""
    told = None
    try:
        call()
    except InputError as error:
        told = str(error)
    if told is not None:
        assert "\n" not in told
        assert name in told
    return told


def test_no_damage_to_a_score_table_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = ScoreTable(tmp_path / "whole", IDENTITY, SIZE)
    for start in (0, 300):
        whole.add([Row(arch, math.sqrt(arch), arch / 7) for arch in range(start, start + 200)])
    expected, found_out = whole.read(), 0
    for seed in range(150):
        shutil.rmtree(tmp_path / "spoilt", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "spoilt")
        caplog.clear()
        spoilt, drawn = ScoreTable(tmp_path / "spoilt", IDENTITY, SIZE), random.Random(seed)
        part = drawn.choice(sorted(spoilt.folder.glob("part-*")))
        content = damage(part, drawn)
        scores = spoilt.read()
        believed = expected.of(scores.arch_index)
        np.testing.assert_array_equal(scores.arch_index, believed.arch_index)
        np.testing.assert_array_equal(scores.score, believed.score)
        np.testing.assert_array_equal(scores.seconds, believed.seconds)
        if len(scores.arch_index) < len(expected.arch_index):
            found_out += 1
            assert len(scores.arch_index) == 200
            assert part.with_name(f"damaged-{part.name}").read_bytes() == content
            assert part.name in caplog.text
    assert found_out > 75


@pytest.fixture
def archive(test_data: Path, tmp_path: Path) -> Path:
    """A single file with three architectures, shortened."""
    original = test_data / "nats/NATS-tss-v1_0-3ffb9-simple"
    meta, results = read(original / META), read(file_of(original, 0))
    infos = {index: shortened(results, index, meta["meta_archs"][index]) for index in range(3)}
    return write(tmp_path / "a/NATS-tss.pickle.pbz2", meta | {"arch2infos": infos, "evaluated_indexes": set(range(3))})


def values(benchmark: Benchmark) -> list[bytes]:
    return [benchmark.arch_index.tobytes(), *(benchmark.columns[column].tobytes() for column in COLUMNS)]


@pytest.mark.slow
def test_no_damage_to_what_was_imported_is_believed(
    archive: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, spoilt = tmp_path / "store", tmp_path / "spoilt"
    nats.import_archive(archive, store, TOPOLOGY, n_jobs=1)
    expected = {dataset: values(nats.load(dataset, space=TOPOLOGY, path=archive, store=store)) for dataset in DATASETS}
    files = [path.relative_to(store) for path in sorted(store.rglob("*")) if path.is_file()]
    assert sorted(path.name.partition(".")[0].partition("-")[0] for path in files) == [
        "000000", "archive", "cifar10", "cifar100", "imagenet16",
    ]  # fmt: skip
    found_out, archive_before = set(), archive.read_bytes()
    for seed in range(60):
        shutil.rmtree(spoilt, ignore_errors=True)
        shutil.copytree(store, spoilt)
        drawn = random.Random(seed)
        file = spoilt / files[seed % len(files)]
        content = damage(file, drawn)
        caplog.clear()
        told = ""
        for dataset in DATASETS:

            def load(dataset: str = dataset) -> None:
                assert values(nats.load(dataset, space=TOPOLOGY, path=archive, store=spoilt)) == expected[dataset]

            told += refusal(load, file.name) or ""
        assert not told or "python run.py task=import" in told
        for _ in range(2):  # where nothing else was amiss, the parts are not even looked at
            nats.import_archive(archive, spoilt, TOPOLOGY, n_jobs=1)
            (nats.import_folder(archive, spoilt) / "archive.json").unlink()
        for dataset in DATASETS:
            assert values(nats.load(dataset, space=TOPOLOGY, path=archive, store=spoilt)) == expected[dataset]
        aside = file.with_name(f"damaged-{file.name}")
        if aside.exists():
            found_out.add(file.name.partition(".")[0][:6])
            assert aside.read_bytes() == content
            assert file.name in told + caplog.text
    assert found_out == {"000000", "archiv", "cifar1", "imagen"}
    assert archive.read_bytes() == archive_before


@pytest.fixture(scope="module")
def finished(program_in: RunProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small sweep; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("sweep")
    done = program_in(folder, "-m", "algo.N=5,6", "runs=2", "name=small", BASIC)
    assert done.returncode == 0, done.stderr
    return folder / "multirun_sweeps/small"


def results(sweep: FinishedSweep) -> dict[str, Any]:
    return {
        job.folder.name: [
            job.summary,
            job.config,
            *({name: column.tolist() for name, column in found.items()} for found in (job.runs, job.trajectory)),
        ]
        for job in sweep.jobs
    }


def look(folder: Path, whole: dict[str, Any], missing: dict[str, str]) -> None:
    """Read a sweep: what is not missing must be what it was."""
    sweep = read_sweep(folder)
    missing.update(sweep.missing)
    found = results(sweep)
    assert {*found, *missing} == {*whole}
    for name, content in found.items():
        assert repr(content) == repr(whole[name])


def test_no_damage_to_results_is_believed_by_a_report(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = results(read_sweep(finished))
    job = only(finished, "algo.N=5*").name
    kinds = [
        f"{job}/summary.json", f"{job}/runs.csv", f"{job}/trajectory.parquet", f"{job}/.hydra/config.yaml",
        f"{job}/.hydra/hydra.yaml", "jobs.json", "multirun.yaml", "results.csv",
    ]  # fmt: skip
    found_out, sweep, missing = set(), tmp_path / "small", dict[str, str]()
    for seed in range(48):
        shutil.rmtree(sweep, ignore_errors=True)
        shutil.copytree(finished, sweep)
        kind = kinds[seed % len(kinds)]
        damage(sweep / kind, random.Random(seed))
        caplog.clear()
        missing.clear()
        told = refusal(partial(look, sweep, whole, missing), (sweep / kind).name)
        if told is not None:
            assert kind == "jobs.json"
            assert "run the sweep again" in told
        if missing:
            assert [*missing] == [job]
            assert "\n" not in missing[job]
            assert job in missing[job]
            assert Path(kind).name in missing[job]
        if told or missing or caplog.text:
            found_out.add(kind)
    assert found_out == {*kinds} - {"results.csv"}  # which nothing reads


def test_a_damaged_result_is_told_by_the_report_and_the_sweep_runs_it_again(
    program: RunProgram, finished: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "multirun_sweeps/small"
    shutil.copytree(finished, sweep)
    file = only(sweep, "algo.N=5*/runs.csv")
    whole, job = file.read_text(), file.parent.name
    file.write_text(whole.replace("|nor_conv_3x3~0|", "|nor_conv_1x1~0|", 1))
    (why,) = read_sweep(sweep).missing.values()
    assert why.startswith(f"{file.parent}: summary.json, runs.csv, ")
    done = program("-m", "algo.N=5,6", "runs=2", "name=small", BASIC)
    assert done.returncode == 0, done.stderr
    assert f"{job}/summary.json.damaged: it or what it sums up was damaged; the job is run again" in done.stdout
    assert "1 of 2 jobs are not run again" in done.stdout
    assert (file.parent / "runs.csv.damaged").read_text() != whole
    assert not read_sweep(sweep).missing


def test_a_damaged_list_of_jobs_is_named_and_written_anew(program: RunProgram, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "multirun_sweeps/small")
    jobs = tmp_path / "multirun_sweeps/small/jobs.json"
    told = json.loads(jobs.read_text())
    jobs.write_text(json.dumps({**told, "jobs": told["jobs"][:1]}))
    done = program("task=report", "sweep=multirun_sweeps/small")
    assert done.returncode == 2
    assert re.fullmatch(r"error: multirun_sweeps/small/jobs.json: .*run the sweep again.*\n", done.stderr)
    assert "2 of 2 jobs are not run again" in program("-m", "algo.N=5,6", "runs=2", "name=small", BASIC).stdout
    assert json.loads(jobs.read_text()) == told


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_damage_to_a_table_of_the_users_is_named_and_left_alone(tmp_path: Path, suffix: str) -> None:
    import pyarrow as pa
    from pyarrow import csv

    rows = pa.table({"arch_str": [*map(str_of_index, range(200))], "val_acc_200": np.linspace(10, 90, 200).tolist()})
    file, refused = tmp_path / f"cifar10.{suffix}", 0
    if suffix == "parquet":
        pq.write_table(rows, file)
    else:
        with pa.output_stream(str(file), compression="gzip" if suffix == "csv.gz" else None) as stream:
            csv.write_csv(rows, stream)
    whole = file.read_bytes()
    for seed in range(400):
        file.write_bytes(whole)
        content = damage(file, random.Random(seed))
        told = refusal(lambda: table.load("cifar10", space=TOPOLOGY, path=tmp_path, store=tmp_path), file.name)
        refused += told is not None
        assert file.read_bytes() == content
        assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert refused > 160


@pytest.mark.parametrize("name", ["cifar10.npz", "cifar-10-batches-py/data_batch_1"])
def test_damage_to_images_is_named_and_left_alone(tmp_path: Path, name: str) -> None:
    pixels, labels = np.random.default_rng(0).integers(256, size=(20, 3072)).astype(np.uint8), [*range(10)] * 2
    if name.endswith(".npz"):
        np.savez(tmp_path / name, images=pixels.reshape(-1, 32, 32, 3), labels=np.array(labels))
    else:
        (tmp_path / name).parent.mkdir()
        for number in range(1, 6):
            with open((tmp_path / name).with_name(f"data_batch_{number}"), "wb") as stream:
                pickle.dump({"data": pixels, "labels": labels}, stream)

    def load() -> np.ndarray[Any, Any]:
        return load_images(tmp_path, name="cifar10", num_classes=10, image_size=32).pixels

    whole, expected = (tmp_path / name).read_bytes(), load()
    for seed in range(60):
        (tmp_path / name).write_bytes(whole)
        content = damage(tmp_path / name, random.Random(seed))
        if refusal(load, name) is None and name.endswith(".npz"):  # a pickle has no checksums
            np.testing.assert_array_equal(load(), expected)
        assert (tmp_path / name).read_bytes() == content


@pytest.mark.slow
def test_two_scorings_of_a_damaged_table_come_to_what_an_undamaged_one_has(
    program: RunProgram, start_program: StartProgram, tmp_path: Path
) -> None:
    some = ("task=score", f"task.archs={[*range(5, 15000, 100)]}".replace(" ", ""), *SMALL)
    assert program(*some, NAS_EXP_DATA=str(tmp_path / "undisturbed")).returncode == 0
    shutil.copytree(tmp_path / "undisturbed", tmp_path / "data")
    part = only(tmp_path / "data", "scores/cifar10/*/part-*")
    part.write_bytes(part.read_bytes()[:-100])
    both = [start_program(*some) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    (tmp_path / "aside").mkdir()
    aside = only(part.parent, "damaged-*")
    aside.rename(tmp_path / "aside" / aside.name)
    assert scores_of(tmp_path / "data") == scores_of(tmp_path / "undisturbed")


def test_a_merge_leaves_a_part_that_was_made_anew_meanwhile(tmp_path: Path) -> None:
    scores = ScoreTable(tmp_path, IDENTITY, SIZE)
    scores.add([Row(1, 1.0, 0.1)])
    (part,) = scores.folder.glob("part-*")
    whole = part.read_bytes()
    scores.add([Row(2, 2.0, 0.1)])
    part.write_bytes(whole[:-9])

    class Anew(logging.Handler):
        """Another process, which makes the part anew as soon as it has been set aside."""

        def emit(self, record: logging.LogRecord) -> None:
            part.write_bytes(whole)

    logger, handler = logging.getLogger("nas_exp.storage.damage"), Anew()
    logger.addHandler(handler)
    try:
        scores.merge()
    finally:
        logger.removeHandler(handler)
    assert scores.read().arch_index.tolist() == [1, 2]


def test_two_imports_into_a_damaged_store_come_to_the_same(archive: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    nats.import_archive(archive, store, TOPOLOGY, n_jobs=1)
    expected = [values(nats.load(dataset, space=TOPOLOGY, path=archive, store=store)) for dataset in DATASETS]
    folder = nats.import_folder(archive, store)
    (part,) = folder.glob("parts/[0-9]*.parquet")
    for file in (part, folder / "archive.json", folder / "cifar10.parquet"):
        file.write_bytes(file.read_bytes()[:-50])
    script = (
        "from pathlib import Path; from nas_exp.benchmarks.nats import import_archive; "
        "from nas_exp.spaces.topology import TopologySpace; "
        f"import_archive(Path({str(archive)!r}), Path({str(store)!r}), TopologySpace(C=16, N=5), n_jobs=1)"
    )
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert [values(nats.load(dataset, space=TOPOLOGY, path=archive, store=store)) for dataset in DATASETS] == expected
    assert (folder / "parts" / f"damaged-{part.name}").exists()


def test_architectures_that_change_while_they_are_imported_are_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats, "_import", lambda *_: {})
    with pytest.raises(InputError, match=r"NATS-tss.pickle.pbz2: has changed while it was read, as one of 3; import"):
        nats.import_archive(archive, tmp_path / "store", TOPOLOGY, n_jobs=1)
