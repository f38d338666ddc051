"""Configurations of results folders are data."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from nas_exp.config.stored import read_plain, said_here, settled
from nas_exp.errors import InputError

OURS = said_here()

KEYS = st.sampled_from(["seed", "noise_seed", "_target_", "data", "scores", "paths", "name", "x"])
TEXTS = st.lists(
    st.sampled_from([
        "${", "}", "oc.env:SECRET_OF_TESTS", "oc.env:NAS_EXP_DATA,data", "seed", ".seed", "paths.data", ".", ":", "x",
        ",", "oc.create:", "oc.decode:", "oc.select:", "\\", "/scores", "nas_exp.tasks.search.run", "os.system",
        "${seed}", "${.seed}", "${oc.env:NAS_EXP_DATA,data}", "${paths.data}/scores", "${oc.env:SECRET_OF_TESTS}",
    ]),
    max_size=4,
).map("".join)  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.text(max_size=3)),
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(KEYS, values, max_size=4)),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_nothing_is_looked_up_that_our_files_do_not_say(plain: dict[str, Any]) -> None:
    os.environ["SECRET_OF_TESTS"] = "hush7913"
    as_it_stands: Any
    try:
        as_it_stands = OmegaConf.to_container(settled(plain, OURS), resolve=False)
    except InputError as error:
        as_it_stands = str(error).replace("${", "")
    assert "hush7913" not in repr(as_it_stands)
    assert "${" not in repr(as_it_stands)
    assert {*_targets(as_it_stands)} <= {value for key, value in OURS if key == "_target_"}


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _targets(item)


def test_what_our_files_say_is_looked_up_in_the_configuration_itself() -> None:
    plain = {"seed": 3, "metric": {"seed": "${seed}", "noise_seed": "${.seed}"}, "paths": {"data": "d"}}
    plain["paths"]["scores"] = "${paths.data}/scores"  # type: ignore[index]
    node = settled(plain, OURS)
    assert OmegaConf.to_container(node) == {
        "seed": 3, "metric": {"seed": 3, "noise_seed": 3}, "paths": {"data": "d", "scores": "d/scores"},
    }  # fmt: skip


def test_references_cannot_double_what_they_stand_for() -> None:
    bomb: dict[str, Any] = {"seed": 1}
    for _ in range(60):
        bomb = {"seed": bomb, "noise_seed": "${.seed}"}
    with pytest.raises(InputError, match="not a job's configuration"):
        settled(bomb, OURS)


@pytest.mark.parametrize(
    "target", ["os.system", "nas_exp.storage.files.write_text", "multirun_sweeps.evil.payload.load"]
)
def test_code_that_no_file_of_ours_names_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=f"^_target_={target}: is in no file of conf/"):
        settled({"benchmark": {"_target_": target}}, OURS)
    assert settled({"benchmark": {"_target_": target}}, {*OURS, ("_target_", target)})


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "[" * 100_000 + "]" * 100_000, "{a: " * 50_000 + "}" * 50_000,
        "!!python/object/apply:os.system [ls]", "a: !!timestamp x", "a: " + "9" * 5000, "? [a]\n: b", "\0", "a: b: c",
        "<<: *x", "- " * 10_000, "x" * 2**22,
    ],
)  # fmt: skip
def test_a_file_that_hydra_would_not_write_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{file}: [^\n]*$") as raised:
        settled(read_plain(file), OURS)
    assert len(str(raised.value)) < 1000


def test_what_stands_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for make in (lambda: os.mkfifo(file), file.mkdir, lambda: file.symlink_to("/dev/zero")):
        make()
        with pytest.raises(InputError, match=r"config\.yaml"):
            read_plain(file)
        file.rmdir() if file.is_dir() else file.unlink()
    with open(file, "wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(InputError, match="bytes, which no such file has"):
        read_plain(file)
