import json
import os
from pathlib import Path

import pytest

from nas_exp.errors import InputError
from nas_exp.storage.damage import DamagedError
from nas_exp.storage.seals import digest, read_json, write_json

CONTENT = {"name": "ä", "x": 2.0, "y": None, "z": [1.5, {"k": True}]}


def test_what_was_written_comes_back_without_its_seal(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", CONTENT)
    assert read_json(tmp_path / "a.json") == CONTENT
    assert json.loads((tmp_path / "a.json").read_text()) == {**CONTENT, "seal": "36bef6600d8da965"}


def test_a_file_without_a_seal_counts_as_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", CONTENT, seal=False)
    assert json.loads((tmp_path / "a.json").read_text()) == read_json(tmp_path / "a.json") == CONTENT


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"name": "ä", "se', "cut short or damaged"),
        ("[1]", "not a JSON object"),
        ('{"x": 3, "seal": "0123456789abcdef"}', "not what was written"),
        ('{"x": 3, "seal": null}', "not what was written"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedError, match=f"^{tmp_path}/a.json: [^\n]*{told}[^\n]*$"):
        read_json(tmp_path / "a.json")


def test_a_seal_covers_other_files_there_or_not(tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b/c.yaml"]
    files[0].write_text("1")
    write_json(tmp_path / "a.json", CONTENT, files)
    assert read_json(tmp_path / "a.json", files) == CONTENT
    with pytest.raises(InputError, match=f"^{tmp_path}: a.json, b/c.yaml, a.csv: one of them is not what was written$"):
        read_json(tmp_path / "a.json", files[::-1])
    files[1].parent.mkdir()
    files[1].write_text("")
    with pytest.raises(DamagedError, match=r"a\.json, a\.csv, b/c\.yaml"):
        read_json(tmp_path / "a.json", files)
    files[1].unlink()
    files[0].write_text("2")
    with pytest.raises(DamagedError, match=r"a\.json, a\.csv, b/c\.yaml"):
        read_json(tmp_path / "a.json", files)


def test_a_digest_knows_no_order_of_keys_and_no_decimal_points() -> None:
    assert digest({"a": 1, "b": [2.0, {"c": (3,)}]}) == digest({"b": [2, {"c": [3.0]}], "a": 1.0})
    assert digest({"a": 1}) != digest({"a": 1.5})


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"a": ' + "9" * 5000 + "}"]
)
def test_what_is_nested_or_long_beyond_reason_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text.replace("{", '{"seal": 1, ', 1))
    with pytest.raises(DamagedError, match=f"^{tmp_path}/a.json: [^\n]*$"):
        read_json(tmp_path / "a.json")


def test_a_file_that_needs_a_seal_is_damaged_without(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", CONTENT, seal=False)
    with pytest.raises(DamagedError, match="has no seal"):
        read_json(tmp_path / "a.json", is_sealed=True)
    write_json(tmp_path / "a.json", CONTENT)
    assert read_json(tmp_path / "a.json", is_sealed=True) == CONTENT


@pytest.mark.parametrize("name", ["a.json", "b.csv"])
def test_pipes_folders_and_devices_in_place_of_files_are_damage(tmp_path: Path, name: str) -> None:
    file, other = tmp_path / "a.json", tmp_path / "b.csv"
    spoilt = tmp_path / name
    for make in (lambda: os.mkfifo(spoilt), spoilt.mkdir, lambda: spoilt.symlink_to("/dev/zero")):
        other.write_text("1")
        write_json(file, CONTENT, [other])
        spoilt.unlink()
        make()
        with pytest.raises(DamagedError, match=name):
            read_json(file, [other])
        spoilt.rmdir() if spoilt.is_dir() else spoilt.unlink()
