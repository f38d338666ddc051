import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tools.conformance import GOLDENS, compare, main, rebuild, relative_error

RECORD = {"spec": [3, 0, 1, 2, 4, 3], "dataset": "ImageNet16-120", "seed": 1, "batch_size": 3, "C": 2, "N": 1}


@pytest.fixture
def goldens(test_data: Path) -> list[dict[str, Any]]:
    return json.loads((test_data / "goldens" / "proxies.json").read_text(encoding="utf-8"))


def write(folder: Path, content: object) -> str:
    path = folder / "goldens.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_metrics_equal_the_goldens(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(test_data / "goldens" / "proxies.json")]) == 0
    table = capsys.readouterr().out
    assert all(metric in table for metric in GOLDENS)


def test_metrics_equal_some_of_the_goldens(
    goldens: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(tmp_path, goldens[::10])]) == 0
    table = capsys.readouterr().out
    assert all(metric in table for metric in GOLDENS)


@pytest.mark.parametrize("metric", GOLDENS)
def test_an_altered_value_fails_and_is_named(
    metric: str, goldens: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    column = GOLDENS[metric].column
    records = [{key: goldens[number][key] for key in (*RECORD, column)} for number in (1, 3)]
    assert records[1][column] != 0
    records[1][column] *= 1 + 2e-4
    assert main([write(tmp_path, records)]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith(f": {metric}")
    assert compare(records)[metric].worst_record == 1


def test_a_finite_value_in_place_of_minus_infinity_fails(goldens: list[dict[str, Any]], tmp_path: Path) -> None:
    assert goldens[0]["relu_all"] == -math.inf
    assert main([write(tmp_path, goldens[:1])]) == 0
    assert main([write(tmp_path, [goldens[0] | {"relu_all": 0.0}])]) == 1


@pytest.mark.slow
def test_other_inputs_or_weights_fail(goldens: list[dict[str, Any]], tmp_path: Path) -> None:
    assert main([write(tmp_path, [goldens[3] | {"seed": goldens[3]["seed"] + 1}])]) == 1


def test_columns_that_a_record_lacks_are_skipped() -> None:
    network, inputs = rebuild(RECORD)
    value = GOLDENS["synflow"].compute(network, inputs)
    outcomes = compare([RECORD, RECORD | {"synflow": value}, RECORD | {"synflow": 2 * value}])
    assert list(outcomes) == ["synflow"]
    assert (outcomes["synflow"].comparisons, outcomes["synflow"].worst_record) == (4, 2)
    assert outcomes["synflow"].largest_error == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "expected a JSON list"),
        ({"spec": [0] * 6}, "expected a JSON list"),
        ([RECORD], "expected one of the columns relu_all"),
        ([{"spec": [3] * 6}], "record 0: no or unknown 'dataset'"),
        ([RECORD | {"dataset": "mnist"}], "record 0: no or unknown 'mnist'"),
        ([RECORD | {"spec": [9] * 6}], "record 0: spec"),
        ([RECORD | {"synflow": "large"}], "record 0: could not convert"),
        ([RECORD | {"synflow": None}], "record 0: "),
        (["text"], "record 0: "),
    ],
)
def test_unusable_content_is_one_line_and_exit_code_2(
    content: object, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, content)
    assert main([file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{file}: {reason}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"[{", b"\xff\xfe\x00"])
def test_a_missing_or_broken_file_is_one_line_and_exit_code_2(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "goldens.json"
    if content is not None:
        file.write_bytes(content)
    assert main([str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, [RECORD | {"synflow": 1.0}])
    assert main(["--device", "cuda", file]) == 2
    assert capsys.readouterr().err == f"{file}: device=cuda: torch finds no CUDA device here; expected cpu\n"


def test_relative_error_treats_equal_non_finite_values_as_equal() -> None:
    assert relative_error(math.nan, math.nan) == 0
    assert relative_error(-math.inf, -math.inf) == 0
    assert relative_error(math.inf, -math.inf) == math.inf
    assert relative_error(1.0, math.nan) == math.inf
    assert relative_error(math.nan, 1.0) == math.inf
    assert relative_error(0.0, 0.0) == 0
    assert relative_error(1e-9, 0.0) == math.inf
    assert relative_error(1.1, 1.0) == pytest.approx(0.1)
