import datetime
import io
import itertools
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.storage import instructions, pickles
from tests.conftest import ROOT

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


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**600), 2**600), st.floats(allow_nan=False),
    st.text(st.characters(), max_size=300), st.binary(max_size=300), st.sampled_from(["a" * 70_000, b"\xff" * 70_000]),
)  # fmt: skip
KEYS = st.one_of(LEAVES, st.tuples(st.text(max_size=3), st.integers()))
CONTENTS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.lists(parts, max_size=5), st.lists(parts, max_size=5).map(tuple), st.dictionaries(KEYS, parts, max_size=5),
        st.dictionaries(KEYS, parts, max_size=3).map(OrderedDict), st.sets(KEYS, max_size=5),
        st.frozensets(st.frozensets(KEYS, max_size=3), max_size=3), parts.map(lambda part: [part, (part, part)]),
    ),
    max_leaves=20,
)  # fmt: skip


def shape_of(value: Any) -> Any:
    """What a value is, told without comparing True to 1 or a dictionary to an ordered one."""
    if isinstance(value, dict):
        return type(value), [(shape_of(key), shape_of(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [shape_of(part) for part in value]
    return type(value), value


@settings(deadline=None)
@given(CONTENTS, st.sampled_from(PROTOCOLS), st.booleans(), st.sampled_from([1, 7, 2**20]))
def test_any_plain_content_is_read_as_it_was_written(content: Any, protocol: int, optimized: bool, chunk: int) -> None:
    data = pickle.dumps(content, protocol)
    with mock.patch.object(instructions, "_CHUNK", chunk):
        read = load(pickletools.optimize(data) if optimized else data)
    assert shape_of(read) == shape_of(content)


def test_a_dictionary_that_python_2_ordered_is_read() -> None:
    assert load(b"ccollections\nOrderedDict\n((lp0\n(lp1\nS'b'\naI1\naa(lp2\nS'a'\naI2\naatR.") == {"b": 1, "a": 2}


def text(content: str) -> bytes:
    data = content.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


DOUBLE = {
    "tuple": b"%b%b\x86", "list": b"](%b%be", "dict": b"}(K\x00%bK\x01%bu", "frozen set": b"(%b(%bt\x91",
    "tuple of lists": b"](%be](%be\x86", "ordered dict": b"ccollections\nOrderedDict\n)R(K\x00%bK\x01%bu",
    "set by a call": b"cbuiltins\nfrozenset\n](%b(%bte\x85R", "list by a mark": b"(%b%bl",
}  # fmt: skip
"""How one object holds another twice."""
PLACES = {
    "the whole": b"%b.", "a part": b"](%be.", "a value": b"}K\x01%bs.", "a key": b"}%bNs.", "a later key": b"}(NN%bNu.",
    "a member": b"\x8f(%b\x90.", "a frozen member": b"(%b\x91.", "given to a set": b"cbuiltins\nset\n](%be\x85R.",
    "given to a dictionary": b"ccollections\nOrderedDict\n](](%bNee\x85R.", "a type": b"cnumpy\ndtype\n%b\x85R.",
    "a state": b"cnumpy\ndtype\nU\x02f8\x85R%bb.", "an encoding": b"c_codecs\nencode\nU\x01a%b\x86R.",
    "a number": b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8\x85R%b\x86R.", "a call": b"%b)R.",
    "a buffer": b"cnumpy.core.numeric\n_frombuffer\n(%bNNNtR.", "a name": b"%bU\x01x\x93.", "in a list": b"]%bNs.",
}  # fmt: skip
"""Where an object can stand in a pickle."""


def doubled(kinds: list[str]) -> bytes:
    """Instructions for an object that holds another twice, which holds another twice, and so on: 40 times is 2^40."""
    data = text("a" * 8) + b"r" + struct.pack("<I", 0)
    for depth, kind in enumerate(kinds):
        data = DOUBLE[kind] % (data, b"j" + struct.pack("<I", depth)) + b"r" + struct.pack("<I", depth + 1)
    return data


def judged(folder: Path, data: list[bytes]) -> list[str]:
    """What is said about each of some pickles, read by one other process that has a minute and two gigabytes."""
    script = (
        "import io, resource, sys; from pathlib import Path; from nas_exp.errors import InputError\n"
        "from nas_exp.storage import pickles\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        "for file in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: print('read', type(pickles.load(io.BytesIO(file.read_bytes()), 'f')).__name__)\n"
        "    except InputError as error: print('refused', error)"
    )
    for number, each in enumerate(data):
        (folder / f"{number:04}").write_bytes(each)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(data)
    assert max(map(len, lines)) < 1000
    return lines


def test_what_is_small_and_would_be_huge_is_refused_in_any_place(tmp_path: Path) -> None:
    drawn, hashable = random.Random(0), ("tuple", "frozen set", "set by a call")
    mixed = [drawn.choices(choice, k=60) for choice in (hashable, [*DOUBLE][:6]) for _ in range(4)]
    kinds = [[kind] * 40 for kind in DOUBLE] + mixed
    cases = list(itertools.product(PLACES, kinds))
    for (place, kind), line in zip(
        cases, judged(tmp_path, [PLACES[place] % doubled(kind) for place, kind in cases]), strict=True
    ):
        assert line.startswith("refused f: "), (place, kind, line)
        assert "aaaaaaaa" not in line


def test_what_is_doubled_a_few_times_is_read(tmp_path: Path) -> None:
    value: Any = "a"
    for _ in range(10):
        value = (value, [value])
    assert load(pickle.dumps({"x": value})) == {"x": value}


@pytest.mark.parametrize(
    "data",
    [
        b"]q\x00h\x00a.",
        b"}q\x00K\x01h\x00s.",
        b"]q\x00h\x00\x85a.",
        b"]q\x00(" + b"h\x00" * 100 + b"e.",
        b"cnumpy\ndtype\n" + text("f8") + b"\x85Rq\x00h\x00\x85b.",
    ],
    ids=["a list", "a dictionary", "a list in a tuple", "a list, often", "a state"],
)
def test_what_holds_itself_is_refused(data: bytes) -> None:
    assert "holds itself" in assert_refused(data)


def test_tuples_too_deep_to_be_hashed_are_refused(tmp_path: Path) -> None:
    # CPython's hash of a tuple recurses without asking how deep it is
    (line,) = judged(tmp_path, [b"})" + b"\x85" * 3_000_000 + b"Ns."])
    assert line.startswith("refused f: ")


def integers(count: int) -> bytes:
    """A dictionary of different integers that all have the same hash."""
    parts = (pickle.encode_long(number * (2**61 - 1)) for number in range(count))
    return b"}(" + b"".join(b"\x8a" + bytes([len(part)]) + part + b"N" for part in parts) + b"u."


def test_a_dictionary_of_many_integers_with_one_hash_is_refused() -> None:
    assert len(load(integers(2_000))) == 2_000
    assert "more than 64 bits" in assert_refused(integers(30_000))
    as_text = b"".join(b"L%dL\nN" % (number * (2**61 - 1)) for number in range(30_000))
    assert "more than 64 bits" in assert_refused(b"}(" + as_text + b"u.")


def test_a_dictionary_of_many_tuples_is_refused() -> None:
    assert len(load(pickle.dumps({("cifar10", seed): seed for seed in range(5_000)}))) == 5_000
    assert "far more parts" in assert_refused(pickle.dumps({("cifar10", seed): seed for seed in range(40_000)}))


def test_an_integer_that_cannot_be_printed_is_refused() -> None:
    assert "an integer of more than 255 bytes" in assert_refused(pickle.dumps([2**160_000]))
    assert_refused(b"I" + b"9" * 20_000 + b"\n.")


@pytest.mark.parametrize("data", [b"\x80\x04", b"(e", b"q\x00", b"]("], ids=ascii)
def test_a_pickle_that_goes_on_and_on_is_refused(data: bytes) -> None:
    assert "asks for more memory" in assert_refused(b"]" + data * 10**7)


@pytest.mark.parametrize(
    "code", [op.code for op in pickletools.opcodes if op.code in "P01Qoi\x81\x82\x83\x84\x92\x97\x982d"]
)
def test_instructions_that_no_data_has_are_refused(code: str) -> None:
    before = b"](cnumpy\ndtype\nq\x00(" + text("f8")
    for argument in (b"", b"\x01", b"\x01\x00\x00\x00", b"os\nsystem\n"):
        assert "an instruction that no data has" in assert_refused(before + code.encode("latin1") + argument + b".")


@pytest.mark.parametrize("name", ["x\x1b]0;owned\x07", "\ud800", "\n\u2028\u202e", "a" * 1_000_000, "\0"])
@pytest.mark.parametrize("form", [b"%b%b\x93.", b"%b%b\x93)R.", b"}%b%b\x93s."])
def test_a_name_is_shown_short_and_printable(name: str, form: bytes) -> None:
    message = assert_refused(b"\x80\x04" + form % (text(name), text(name)))
    assert message.isprintable()
    assert "refuses to construct" in message
    assert len(message) < 400


FRAGMENTS = [
    b"N", b")", b"]", b"}", b"(", b"t", b"\x85", b"\x86", b"a", b"e", b"s", b"u", b"\x8f", b"\x90", b"\x91", b"R", b"b",
    b"K\x01", b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"\x94", b"U\x02f8", b"U\x06latin1", b"C\x08abcdefgh", b"l",
    b"(d", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"c_codecs\nencode\n", b"ccollections\nOrderedDict\n", b"I01\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\nscalar\n", b"G@\0abcdef", b"\x8a\x09abcdefghi",
    b"cnumpy.core.numeric\n_frombuffer\n", b"cbuiltins\nset\n", b"\x96\x08\0\0\0\0\0\0\0abcdefgh",
]  # fmt: skip
PLAIN_TYPES = (type(None), bool, int, float, str, bytes, list, tuple, set, frozenset, dict, np.ndarray, np.generic)


def is_plain(value: Any) -> bool:
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    is_container = isinstance(value, dict | list | tuple | set | frozenset)
    return isinstance(value, PLAIN_TYPES) and (not is_container or all(map(is_plain, parts)))


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30), st.sampled_from([1, 2**20]))
def test_any_instructions_are_refused_in_one_line_or_read_as_something_plain(parts: list[bytes], chunk: int) -> None:
    with mock.patch.object(instructions, "_CHUNK", chunk):
        try:
            assert is_plain(load(b"".join(parts) + b"."))
        except InputError as error:
            assert str(error).isprintable()  # noqa: PT017 - refusing and reading are both right
