import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nas_exp.benchmarks import DATASETS, Benchmark, table
from nas_exp.errors import InputError
from tests.topology import TOPOLOGY, str_of_index

HEADER = "arch_str,val_acc_200"


def row(arch_index: int, *values: object) -> str:
    return ",".join([str_of_index(arch_index), *map(str, values)])


def write_csv(file: Path, *lines: str) -> Path:
    text = "\n".join(lines) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def load(path: Path | None, dataset: str = "cifar10") -> Benchmark:
    return table.load(dataset, space=TOPOLOGY, path=path, store=Path())


def refusal(path: Path | None, dataset: str = "cifar10") -> str:
    with pytest.raises(InputError) as caught:
        load(path, dataset)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_rows_are_found_by_arch_str_whatever_their_order(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "cifar10.csv", HEADER, row(15624, 91.5), row(0, 10), row(77, 50.25))
    benchmark = load(file)
    assert (benchmark.name, benchmark.dataset) == ("table", "cifar10")
    assert benchmark.arch_index.tolist() == [0, 77, 15624]
    assert benchmark.columns["val_acc"].tolist() == [10, 50.25, 91.5]


def test_what_the_table_lacks_is_nan(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "cifar10.csv", HEADER + ",test_acc_200", row(0, 10, 9), row(1, 20, ""))
    benchmark = load(file)
    assert np.isnan(benchmark.of("val_acc", range(2, 15625))).all()
    assert benchmark.of("test_acc", [0, 1, 2]).tolist() == pytest.approx([9, np.nan, np.nan], nan_ok=True)
    assert not benchmark.knows("short_val_acc")
    assert not benchmark.knows("short_val_seconds")


def test_all_columns_are_read_and_others_ignored(tmp_path: Path) -> None:
    columns = "val_acc_12,note,val_acc_200,test_acc_200,train_seconds_12,val_seconds_12,arch_str"
    file = write_csv(tmp_path / "cifar10.csv", columns, f"1,good,2,3,4,5,{str_of_index(9)}")
    benchmark = load(file)
    meanings = ("short_val_acc", "val_acc", "test_acc", "short_seconds", "short_val_seconds")
    assert [benchmark.of(column, 9) for column in meanings] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.CSV.GZ"])
def test_csv_may_be_gzipped(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    text = f"{HEADER}\n{row(3, 12.5)}\n".encode()
    file.write_bytes(gzip.compress(text) if name.lower().endswith("gz") else text)
    assert load(file).of("val_acc", 3) == 12.5


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    parquet.write_table(
        pa.table({"arch_str": [str_of_index(3), str_of_index(4)], "val_acc_200": pa.array([12.5, None], pa.float32())}),
        tmp_path / "x_cifar10.parquet",
    )
    benchmark = load(tmp_path)
    assert benchmark.of("val_acc", 3) == 12.5
    assert np.isnan(benchmark.of("val_acc", 4))


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("cifar10.csv", "cifar10"),
        ("nb201_cifar10.csv", "cifar10"),
        ("my-CIFAR100.csv.gz", "cifar100"),
        ("nb201_ImageNet16-120.csv", "imagenet16-120"),
        ("imagenet16-120.csv", "imagenet16-120"),
    ],
)
def test_a_folder_is_searched_for_the_dataset_by_name(name: str, dataset: str, tmp_path: Path) -> None:
    write_csv(tmp_path / name, HEADER, row(0, 10))
    (tmp_path / f"{dataset}.txt").touch()
    (tmp_path / f".{dataset}.csv").touch()
    assert load(tmp_path, dataset).of("val_acc", 0) == 10
    for other in {*DATASETS} - {dataset}:
        assert str(tmp_path) in refusal(tmp_path, other)


def test_two_files_for_a_dataset_are_refused(tmp_path: Path) -> None:
    for name in ("a_cifar10.csv", "b_cifar10.csv", "cifar100.csv"):
        write_csv(tmp_path / name, HEADER, row(0, 10))
    message = refusal(tmp_path)
    assert "a_cifar10.csv, b_cifar10.csv;" in message
    assert "expected one file" in message


def test_a_file_named_after_another_dataset_is_refused(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "nb201_cifar100.csv", HEADER, row(0, 10))
    assert "cifar100" in refusal(file, "cifar10")


def test_no_path_and_a_missing_path_are_refused(tmp_path: Path) -> None:
    assert refusal(None).startswith("benchmark.path: ")
    assert str(tmp_path / "missing") in refusal(tmp_path / "missing")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["arch_str,accuracy", row(0, 10)], "no column val_acc_200 among arch_str, accuracy"),
        (["val_acc_200,x", "10,1"], "no column arch_str"),
        ([HEADER + ",val_acc_200", row(0, 10, 11)], "val_acc_200 more than once"),
        ([HEADER], "no architecture"),
        ([HEADER, row(0, 10), "|conv~0|,20"], "row 2: architecture '|conv~0|'"),
        ([HEADER, row(0, 10), row(0, 20)], f"the architecture {str_of_index(0)} 2 times"),
        ([HEADER, row(0, 100.5)], "row 1: found val_acc_200 = 100.5; expected a number from 0 to 100"),
        ([HEADER, row(0, -1)], "row 1: found val_acc_200 = -1.0"),
        ([HEADER, row(0, "inf")], "found val_acc_200 = inf"),
        ([HEADER, row(0, "good")], "good"),
        (
            [HEADER + ",train_seconds_12", row(0, 1, -5)],
            "found train_seconds_12 = -5.0; expected a finite number from 0",
        ),
        ([HEADER, row(0, 1, 2, 3)], "Expected 2 columns, got 4"),
        ([], "Empty CSV file"),
    ],
)
def test_a_wrong_table_is_refused_by_a_line_that_says_what_is_wrong(
    lines: list[str], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "cifar10.csv"
    file.write_text("\n".join(lines) + "\n" if lines else "")
    message = refusal(file)
    assert message.startswith(f"{file}: ")
    assert reason in message


@pytest.mark.parametrize("name", ["cifar10.csv.gz", "cifar10.parquet"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_a_damaged_file_is_refused(name: str, damage: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if name.endswith("parquet"):
        parquet.write_table(pa.table({"arch_str": [str_of_index(0)], "val_acc_200": [1.0]}), file)
    else:
        write_csv(file, HEADER, *(row(index, index / 1000) for index in range(5000)))
    whole = file.read_bytes()
    file.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"garbage" * 100, "empty": b""}[damage])
    assert refusal(file).startswith(f"{file}: ")


def test_parquet_columns_of_other_types_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "cifar10.parquet"
    parquet.write_table(pa.table({"arch_str": [str_of_index(0)], "val_acc_200": [[1.0, 2.0]]}), file)
    assert "val_acc_200" in refusal(file)
    parquet.write_table(pa.table({"arch_str": [1], "val_acc_200": [1.0]}), file)
    assert "arch_str" in refusal(file)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "accuracies.xlsx").touch()
    assert ".csv, .csv.gz or .parquet" in refusal(tmp_path / "accuracies.xlsx")


def test_every_architecture_is_known_by_the_index_of_the_space() -> None:
    arch_strs = [str_of_index(index) for index in range(15625)]
    assert table.arch_indices(arch_strs, TOPOLOGY, "here").tolist() == list(range(15625))


@pytest.mark.parametrize(("dataset", "best"), [("cifar10", 91.52), ("cifar100", 73.51), ("imagenet16-120", 47.31)])
def test_the_best_test_accuracies_are_the_published_ones(dataset: str, best: float, test_data: Path) -> None:
    benchmark = load(test_data / "nb201", dataset)
    assert benchmark.columns["test_acc"].max() == pytest.approx(best, abs=0.005)
    assert np.isfinite(benchmark.columns["short_val_acc"]).all()


def test_loading_imports_neither_pandas_nor_torch_nor_scipy(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "cifar10.csv.gz", HEADER, row(0, 10))
    script = (
        "import sys; from pathlib import Path; from nas_exp.benchmarks import table\n"
        "from nas_exp.spaces.topology import TopologySpace\n"
        f"table.load('cifar10', space=TopologySpace(C=16, N=5), path=Path({str(file)!r}), store=Path())\n"
        "print({'torch', 'pandas', 'scipy'} & {*sys.modules})"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"set\(\)\s*", finished.stdout)
