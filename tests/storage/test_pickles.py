import datetime
import io
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.errors import InputError
from nas_exp.storage import pickles

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = [
    {"a": [1, 2.5, None, True], b"b": ("tuple", {1, 2}, frozenset({3})), 3: {"nested": [{}, [], ()]}},
    OrderedDict([("12", 1), ("200", 2)]),
    [0, -1, 2**80, 1e300, float("inf"), "", "ä∑\n'", b"", b"\x00\xff", bytes(range(256))],
    "text",
    None,
]
ARRAYS = [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(10, dtype=">i4")[::2],
    np.array([True, False]),
    np.array(["conv", "ä"]),
    np.array([b"conv", b"x"]),
    np.array(1.5),
    np.zeros((0, 3), np.float32),
]


def load(data: bytes) -> Any:
    return pickles.load(io.BytesIO(data), "archive.pickle")


def assert_refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        load(data)
    message = str(caught.value)
    assert message.startswith("archive.pickle: ")
    assert len(message.splitlines()) == 1
    return message


class Call:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("content", PLAIN)
def test_plain_content_is_read_as_it_was_written(content: Any, protocol: int) -> None:
    read = load(pickle.dumps(content, protocol))
    assert read == content
    assert type(read) is type(content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_arrays_are_read_as_they_were_written(array: np.ndarray, protocol: int) -> None:
    read = load(pickle.dumps({"data": [array]}, protocol))["data"][0]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert read.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", [np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool_(True)])
def test_numpy_numbers_are_read_as_they_were_written(number: np.generic, protocol: int) -> None:
    read = load(pickle.dumps([number], protocol))[0]
    assert read == number
    assert type(read) is type(number)


def test_what_is_shared_stays_shared() -> None:
    shared = [1]
    first, second = load(pickle.dumps([shared, shared]))
    assert first is second


def test_strings_that_python_2_wrote_keep_every_byte() -> None:
    assert load(b"U\x03\xff\x00a.") == "\xff\x00a"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("depth", ["outermost", "nested"])
def test_a_call_is_refused_and_never_made(tmp_path: Path, protocol: int, depth: str) -> None:
    canary = tmp_path / "canary"
    call = Call(os.system, f"touch {canary}")
    message = assert_refused(pickle.dumps(call if depth == "outermost" else {"data": [1, call]}, protocol))
    assert "system" in message
    assert not canary.exists()


@pytest.mark.parametrize(
    "call",
    [
        Call(eval, "open('canary', 'w')"),
        Call(open, "canary", "w"),
        Call(getattr, "text", "upper"),
        Call(np.load, "canary.npy", None, True),
        Call(np.array, [1]),
        Call(pickle.loads, b"N."),
        Call(bytearray, 3),
        Call(sys.exit),
    ],
    ids=lambda call: call.function.__name__,
)
def test_any_other_function_is_refused(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "refuses to construct" in assert_refused(pickle.dumps(call))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value", [Path("x"), datetime.date(2020, 1, 1), range(3), 1j, type, np.float64, np.dtype("f8")]
)
def test_any_other_type_is_refused(value: Any) -> None:
    assert_refused(pickle.dumps([value]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None], dtype=object),
        np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]),
        np.zeros(2, dtype=[("a", object)]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(2, dtype="V4"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_anything_but_numbers_and_strings_are_refused(array: np.ndarray, protocol: int) -> None:
    assert "refuses an array" in assert_refused(pickle.dumps(array, protocol))


@pytest.mark.parametrize("kept", [0, 1, 10, 50, 0.5, -1])
def test_a_truncated_pickle_is_refused(kept: float) -> None:
    data = pickle.dumps({"labels": list(range(1000)), "data": np.arange(1000)})
    assert_refused(data[: int(kept * len(data)) if isinstance(kept, float) else kept])


@pytest.mark.parametrize("seed", range(50))
def test_garbage_is_refused_in_one_line(seed: int) -> None:
    random = np.random.default_rng(seed)
    # the first byte is an opcode that no pickle knows, so no draw can be a valid one by chance
    assert_refused(b"\xff" + random.bytes(200))


@pytest.mark.parametrize("seed", range(100))
def test_damage_is_refused_in_one_line_or_read_as_something_plain(seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(pickle.dumps({"labels": [1, 2, 3], "data": np.arange(10.0), "name": "batch"}))
    for position in random.integers(len(data), size=3):
        data[position] = random.integers(256)
    try:
        load(bytes(data))
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - refusing and reading are both right


def test_a_pickle_nested_too_deeply_is_refused() -> None:
    assert_refused(b"]" * 100_000 + b"a" * 99_999 + b".")
