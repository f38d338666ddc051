import bz2
import copy
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.benchmarks import COLUMNS, DATASETS, nats, table
from nas_exp.errors import InputError
from nas_exp.storage import pickles
from tests.topology import TOPOLOGY as SPACE
from tests.topology import index_of_str

TOPOLOGY, SIZE = "NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"
META = "meta.pickle.pbz2"
HELD = (0, 11, 284)


def read(file: Path) -> Any:
    with bz2.open(file) as stream:
        return pickles.load(stream, str(file))  # type: ignore[arg-type]


def write(file: Path, content: Any) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bz2.compress(pickle.dumps(content, protocol=4), compresslevel=1))
    return file


def file_of(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.pickle.pbz2"


def shortened(results: dict[str, Any], index: int, arch_str: str) -> dict[str, Any]:
    """Results of one epoch under another architecture's name: as the originals, but hundreds are made in a second."""
    states = copy.copy(results)
    for schedule, state in results.items():
        trials = {}
        for key, trial in state["all_results"].items():
            last = trial["epochs"] - 1
            trials[key] = trial | {
                "epochs": 1,
                "train_acc1es": {0: trial["train_acc1es"][last]},
                "train_losses": {0: trial["train_losses"][last]},
                "train_times": {0: trial["train_times"][last]},
                **{
                    part: {f"{name}@0": trial[part][f"{name}@{last}"] for name in trial["eval_names"]}
                    for part in ("eval_acc1es", "eval_times", "eval_losses")
                },
            }
        states[schedule] = state | {"arch_index": index, "arch_str": arch_str, "all_results": trials}
    return states


@pytest.fixture
def original(test_data: Path) -> Path:
    return test_data / "nats" / TOPOLOGY


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    """A copy of the original archive, to be spoilt."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for file in original.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def many(original: Path, tmp_path: Path) -> Path:
    """An archive of 320 architectures with shortened results."""
    meta, results = read(original / META), read(file_of(original, 0))
    write(tmp_path / "many" / META, meta)
    for index in range(320):
        write(file_of(tmp_path / "many", index), shortened(results, index, meta["meta_archs"][index]))
    return tmp_path / "many"


@pytest.fixture
def single(original: Path, tmp_path: Path) -> Path:
    """The three original architectures in a single file."""
    results = {index: read(file_of(original, index)) for index in HELD}
    content = read(original / META) | {"arch2infos": results, "evaluated_indexes": set(HELD)}
    return write(tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2", content)


def refusal(path: Path, store: Path) -> str:
    with pytest.raises(InputError) as caught:
        nats.import_archive(path, store, SPACE, n_jobs=1)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


def start_import(archive: Path, store: Path) -> "subprocess.Popen[bytes]":
    script = (
        "from pathlib import Path; from nas_exp.benchmarks.nats import import_archive; "
        "from nas_exp.spaces.topology import TopologySpace; "
        f"import_archive(Path({str(archive)!r}), Path({str(store)!r}), TopologySpace(C=16, N=5), n_jobs=1)"
    )
    return subprocess.Popen([sys.executable, "-c", script])


def tables(path: Path, store: Path) -> dict[str, dict[str, list[Any]]]:
    folder = nats.import_folder(path, store)
    return {dataset: table.read_arrow(folder / f"{dataset}.parquet", SPACE).to_pydict() for dataset in DATASETS}


def test_known_accuracies_are_imported(original: Path, tmp_path: Path) -> None:
    report = nats.import_archive(original, tmp_path, SPACE, n_jobs=2)
    assert (report.imported, report.already, report.lacking) == (3, 0, 15622)
    index = index_of_str(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    cifar10 = nats.load("cifar10", space=SPACE, path=original, store=tmp_path)
    assert (cifar10.name, cifar10.dataset) == ("nats", "cifar10")
    assert cifar10.of("short_val_acc", index) == pytest.approx(63.364, abs=5e-4)
    assert cifar10.of("val_acc", index) == pytest.approx(81.983, abs=5e-4)
    assert cifar10.of("test_acc", index) == pytest.approx(81.52, abs=5e-4)
    # the one evaluation that nats_bench's simulate_train_eval adds to the training time
    assert cifar10.of("short_val_seconds", index) == pytest.approx(2.549, abs=5e-4)
    cifar100 = nats.load("cifar100", space=SPACE, path=original, store=tmp_path)
    assert cifar100.of("test_acc", index) == pytest.approx(52.913, abs=5e-4)
    for column in COLUMNS:
        assert np.isfinite(cifar100.columns[column]).sum() == 3


@pytest.mark.parametrize("dataset", DATASETS)
def test_imported_tables_agree_with_the_published_ones(
    dataset: str, original: Path, test_data: Path, tmp_path: Path
) -> None:
    nats.import_archive(original, tmp_path, SPACE, n_jobs=1)
    ours = tables(original, tmp_path)[dataset]
    published = table.read_arrow(table.find(test_data / "nb201", dataset), SPACE).to_pydict()
    assert set(ours) == {*published, "val_seconds_12"}
    assert ours["nats_index"] == list(HELD)
    for column in published:
        expected = [published[column][index] for index in HELD]
        if column == "arch_str":
            assert ours[column] == expected
        else:
            np.testing.assert_allclose(ours[column], expected, atol=1e-4)


def test_an_imported_table_is_found_by_the_path_however_it_is_written(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nats.import_archive(original, tmp_path, SPACE, n_jobs=1)
    monkeypatch.chdir(original.parent)
    (tmp_path / "link").symlink_to(original)
    for path in (Path(TOPOLOGY), tmp_path / "link"):
        assert (
            np.isfinite(nats.load("cifar10", space=SPACE, path=path, store=tmp_path).columns["short_val_acc"]).sum()
            == 3
        )


def test_a_single_file_gives_the_same_tables_as_a_folder(original: Path, single: Path, tmp_path: Path) -> None:
    nats.import_archive(original, tmp_path / "store", SPACE, n_jobs=1)
    report = nats.import_archive(single, tmp_path / "store", SPACE, n_jobs=2)
    assert (report.imported, report.already, report.lacking) == (3, 0, 15622)
    assert tables(single, tmp_path / "store") == tables(original, tmp_path / "store")


def test_a_single_file_is_opened_again_only_after_it_has_changed(single: Path, tmp_path: Path) -> None:
    nats.import_archive(single, tmp_path / "store", SPACE, n_jobs=1)
    size, times = single.stat().st_size, (single.stat().st_atime_ns, single.stat().st_mtime_ns)
    single.write_bytes(b"x" * size)
    os.utime(single, ns=times)
    report = nats.import_archive(single, tmp_path / "store", SPACE, n_jobs=1)
    assert (report.imported, report.already, report.lacking) == (0, 3, 15622)
    os.utime(single, ns=(times[0], times[1] + 1))
    assert "not a readable pickle" in refusal(single, tmp_path / "store")


def test_importing_again_reads_only_what_is_new_or_changed(archive: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    late = file_of(archive, 11).rename(tmp_path / "late")
    report = nats.import_archive(archive, store, SPACE, n_jobs=1)
    assert (report.imported, report.already, report.lacking) == (2, 0, 15623)
    late.rename(file_of(archive, 11))
    report = nats.import_archive(archive, store, SPACE, n_jobs=1)
    assert (report.imported, report.already, report.lacking) == (1, 2, 15622)
    results = read(file_of(archive, 284))
    results["200"]["all_results"]["cifar100", 777]["eval_acc1es"]["x-valid@199"] = 0.0
    write(file_of(archive, 284), results)
    before = tables(archive, store)["cifar100"]["val_acc_200"]
    report = nats.import_archive(archive, store, SPACE, n_jobs=1)
    assert (report.imported, report.already, report.lacking) == (1, 2, 15622)
    after = tables(archive, store)["cifar100"]["val_acc_200"]
    assert after[:2] == before[:2]
    assert after[2] < before[2] - 10


@pytest.mark.slow
def test_processes_and_their_number_do_not_change_the_tables(many: Path, tmp_path: Path) -> None:
    for n_jobs in (1, 2):
        report = nats.import_archive(many, tmp_path / f"store{n_jobs}", SPACE, n_jobs=n_jobs)
        assert (report.imported, report.lacking) == (320, 15305)
    assert tables(many, tmp_path / "store1") == tables(many, tmp_path / "store2")


def test_a_killed_import_goes_on_where_it_was(many: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    parts = nats.import_folder(many, store) / "parts"
    with start_import(many, store) as process:
        deadline = time.monotonic() + 60
        while not list(parts.glob("[!.]*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    with pytest.raises(InputError, match="has not been imported"):
        nats.load("cifar10", space=SPACE, path=many, store=store)
    report = nats.import_archive(many, store, SPACE, n_jobs=1)
    assert 0 < report.already < 320
    assert report.imported + report.already == 320
    nats.import_archive(many, tmp_path / "fresh", SPACE, n_jobs=1)
    assert tables(many, store) == tables(many, tmp_path / "fresh")


@pytest.mark.slow
def test_two_imports_at_once_do_no_harm(many: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    processes = [start_import(many, store) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert tables(many, store)["cifar10"]["nats_index"] == list(range(320))


def test_what_has_not_been_imported_is_refused_with_the_command_that_imports_it(original: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        nats.load("cifar10", space=SPACE, path=original, store=tmp_path)
    assert f"python run.py task=import benchmark=nats benchmark.path={original}" in str(caught.value)
    with pytest.raises(InputError, match=r"^benchmark\.path: "):
        nats.load("cifar10", space=SPACE, path=None, store=tmp_path)


def test_a_size_space_archive_is_refused_as_such(test_data: Path, tmp_path: Path) -> None:
    assert "NATS-sss" in refusal(test_data / "nats" / SIZE, tmp_path)


def test_paths_that_hold_no_archive_are_refused(original: Path, tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing", tmp_path)
    (tmp_path / "empty").mkdir()
    assert META in refusal(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / META).write_bytes((original / META).read_bytes())
    assert "no architecture" in refusal(tmp_path / "empty", tmp_path)
    assert "arch2infos" in refusal(original / META, tmp_path)
    (tmp_path / "notes.txt").write_text("notes")
    assert "not a readable pickle" in refusal(tmp_path / "notes.txt", tmp_path)


def edit_results(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        results = read(file)
        change(results)
        write(file, results)

    return spoil


def set_accuracy(value: object) -> Callable[[dict[str, Any]], object]:
    return lambda results: results["12"]["all_results"]["cifar10-valid", 777]["eval_acc1es"].update(
        {"x-valid@11": value}
    )


SPOILERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda file: file.write_bytes(file.read_bytes()[:40_000]), "not a readable pickle"),
    "empty": (lambda file: file.write_bytes(b""), "not a readable pickle"),
    "no pickle": (lambda file: file.write_bytes(bz2.compress(b"text")), "not a readable pickle"),
    "a list": (lambda file: write(file, [1, 2]), "no results of the 12-epoch schedule"),
    "no 200 epochs": (edit_results(lambda results: results.pop("200")), "no results of the 200-epoch schedule"),
    "another architecture": (lambda file: file.write_bytes(file_of(file.parent, 0).read_bytes()), "expected |nor_conv"),
    "no trials": (edit_results(lambda results: results["200"].pop("all_results")), "no complete results"),
    "no dataset": (edit_results(lambda results: results["12"]["dataset_seed"].pop("cifar100")), "no complete results"),
    "no test": (
        edit_results(lambda results: results["200"]["all_results"]["cifar100", 777]["eval_acc1es"].clear()),
        "no complete results",
    ),
    "too accurate": (edit_results(set_accuracy(1000.0)), "expected a number from 0 to 100"),
    "NaN": (edit_results(set_accuracy(float("nan"))), "cifar10/val_acc_12 = nan"),
    "no number": (edit_results(set_accuracy("good")), "no complete results"),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_spoilt_file_is_refused_by_name_and_the_others_are_imported(
    spoiler: str, archive: Path, tmp_path: Path
) -> None:
    spoil, reason = SPOILERS[spoiler]
    spoil(file_of(archive, 11))
    message = refusal(archive, tmp_path / "store")
    assert message.startswith(f"{file_of(archive, 11)}: ")
    assert reason in message
    assert message.endswith("; 2 of 3 architectures are imported")
    assert tables(archive, tmp_path / "store")["cifar10"]["nats_index"] == [0, 284]


def test_a_file_that_was_spoilt_is_imported_once_it_is_whole(original: Path, archive: Path, tmp_path: Path) -> None:
    file_of(archive, 11).write_bytes(b"")
    assert "it is empty" in refusal(archive, tmp_path / "store")
    file_of(archive, 11).write_bytes(file_of(original, 11).read_bytes())
    report = nats.import_archive(archive, tmp_path / "store", SPACE, n_jobs=1)
    assert (report.imported, report.already) == (1, 2)
    assert tables(archive, tmp_path / "store")["cifar10"]["nats_index"] == list(HELD)


def test_one_import_names_all_spoilt_files_with_their_reasons(many: Path, tmp_path: Path) -> None:
    for index in range(50, 170):
        file_of(many, index).write_bytes(b"")
    for index in (0, 319):
        file_of(many, index).write_bytes(bz2.compress(b"text"))
    write(file_of(many, 200), {"12": {"arch_str": "another"}})
    message = refusal(many, tmp_path)
    assert "123 files cannot be read, 197 of 320 architectures are imported" in message
    assert "000000.pickle.pbz2, 000319.pickle.pbz2: not a readable pickle" in message
    assert "000050.pickle.pbz2, 000051.pickle.pbz2" in message
    assert "and 110 more: not a readable pickle: it is empty; download it again" in message
    assert "000200.pickle.pbz2: found results of another; expected |" in message
    assert len(tables(many, tmp_path)["cifar10"]["nats_index"]) == 197


def test_an_archive_of_spoilt_files_alone_says_so(archive: Path, tmp_path: Path) -> None:
    for index in HELD:
        file_of(archive, index).write_bytes(file_of(archive, index).read_bytes()[:1000])
    message = refusal(archive, tmp_path / "store")
    assert "3 files cannot be read, 0 of 3 architectures are imported" in message
    assert "cut off after 1,000 bytes; download it again" in message
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_what_is_wrong_in_a_single_file_is_named_by_its_number(single: Path, tmp_path: Path) -> None:
    content = read(single)
    del content["arch2infos"][0]["12"], content["arch2infos"][284]["12"]
    write(single, content)
    for _ in range(2):
        message = refusal(single, tmp_path / "store")
        assert "architecture 0, architecture 284: found no results of the 12-epoch schedule" in message
    assert tables(single, tmp_path / "store")["cifar10"]["nats_index"] == [11]


def test_a_spoilt_file_is_named_by_an_import_in_many_processes_too(many: Path, tmp_path: Path) -> None:
    file_of(many, 200).write_bytes(b"")
    with pytest.raises(InputError, match=f"^{file_of(many, 200)}: not a readable pickle"):
        nats.import_archive(many, tmp_path / "store", SPACE, n_jobs=2)
    assert len(tables(many, tmp_path / "store")["cifar10"]["nats_index"]) == 319


def test_an_index_outside_the_space_is_refused(archive: Path, tmp_path: Path) -> None:
    file_of(archive, 11).rename(file_of(archive, 15625))
    assert "found architecture 15625" in refusal(archive, tmp_path / "store")


class Touch:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("name", [META, "000011.pickle.pbz2"])
def test_a_hostile_file_is_never_run(name: str, archive: Path, tmp_path: Path) -> None:
    write(archive / name, {"meta_archs": Touch(tmp_path / "canary")})
    assert "refuses to construct" in refusal(archive, tmp_path / "store")
    assert not (tmp_path / "canary").exists()


def test_nats_bench_never_opens_a_file_that_an_archive_names(archive: Path, tmp_path: Path) -> None:
    hostile = write(tmp_path / "hostile.pickle.pbz2", Touch(tmp_path / "canary"))
    write(file_of(archive, 11), {"12": str(hostile), "200": str(hostile)})
    assert "no results of the 12-epoch schedule" in refusal(archive, tmp_path / "store")
    assert not (tmp_path / "canary").exists()


def test_costs_on_which_seeds_disagree_do_not_stop_an_import(archive: Path, tmp_path: Path) -> None:
    edit_results(lambda results: results["12"]["all_results"]["cifar10-valid", 777].update(flop=1.0))(
        file_of(archive, 11)
    )
    nats.import_archive(archive, tmp_path / "store", SPACE, n_jobs=1)
    assert tables(archive, tmp_path / "store")["cifar10"]["flops_m"][1] == pytest.approx(113.95137)


def set_in_trial(key: str, value: Any) -> Callable[[Path], None]:
    return edit_results(lambda results: results["12"]["all_results"]["cifar10-valid", 777].update({key: value}))


LIST: list[Any] = []
for _ in range(20):
    LIST = [LIST, LIST]
MISLEADING: dict[str, Callable[[Path], None]] = {
    "a seed a million times": edit_results(
        lambda results: results["12"]["dataset_seed"].update({"cifar10-valid": [777] * 10**6})
    ),
    "images a million times": set_in_trial("eval_names", ["x-valid"] * 10**6),
    "a million epochs": set_in_trial("epochs", 10**6),
    "epochs in an array": set_in_trial("train_times", np.zeros(10**6)),
    "a list for a number": set_in_trial("flop", LIST),
    "a list for a name": set_in_trial("eval_names", [LIST]),
    "a long string for a number": edit_results(set_accuracy("9" * 10**6)),
    "a long number": edit_results(set_accuracy(10**300)),
    "a list for an architecture": edit_results(lambda results: results["12"].update(arch_str=LIST)),
    "a method": edit_results(lambda results: results["12"].update(get_metrics=1)),
}


@pytest.mark.parametrize("kind", MISLEADING)
def test_results_that_nats_bench_was_not_made_for_are_refused_in_seconds(
    kind: str, archive: Path, tmp_path: Path
) -> None:
    MISLEADING[kind](file_of(archive, 11))
    started = time.monotonic()
    message = refusal(archive, tmp_path / "store")
    assert message.startswith(f"{file_of(archive, 11)}: ")
    assert len(message) < 1000
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", [META, "000011.pickle.pbz2"])
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to nothing"])
def test_what_is_no_regular_file_is_refused(name: str, kind: str, archive: Path, tmp_path: Path) -> None:
    (archive / name).unlink()
    make: dict[str, Callable[[Path], object]] = {
        "a pipe": os.mkfifo,
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a folder": Path.mkdir,
        "a link to nothing": lambda path: path.symlink_to("nothing"),
    }
    make[kind](archive / name)
    assert name in refusal(archive, tmp_path / "store")
