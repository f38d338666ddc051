"""Reading pickles from the internet without running them.

NATS-Bench archives and the official CIFAR and ImageNet16 batches are pickles. A pickle is a program: loading one may
call anything that can be imported. Here nothing can be imported. Plain containers, strings, bytes, numbers and None
need no import; the few names that legitimate files hold are replaced by functions of this module.

Loading only collects what a pickle asks for. Afterwards it is made, by code that knows how much it makes.
"""

import io
import itertools
import math
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError, in_one_line, shown
from nas_exp.storage.instructions import WithoutHashing
from nas_exp.storage.memory import limited_by

_MOST_MORE = 10**7
"""How many more parts than bytes a pickle may hold: where they are shared, 120 bytes can hold a list of 2^40 parts."""
_SHORTEST_LIMIT = 2**22
_LONGEST_FOR_A_BYTE = 100


def load(stream: BinaryIO, source: str) -> Any:
    """Read one pickle that holds nothing but containers, strings, bytes, numbers, None and NumPy arrays.

    Python 2's byte strings are decoded as Latin-1, which keeps every byte. Arrays are copies, never object arrays. What
    is shared stays shared; nothing holds itself.

    Args:
        stream: the open pickle.
        source: the file's name, for the error message.

    Raises:
        InputError: the pickle is broken, holds other types, or needs much more memory or time than a file of its size
            should.
    """
    try:
        size = os.fstat(stream.fileno()).st_size
    except OSError:
        size = 0  # not a file: a few bytes of a test
    try:
        with limited_by(size):
            rewritten = WithoutHashing(stream, longest=_SHORTEST_LIMIT + _LONGEST_FOR_A_BYTE * size)
            asked_for = _DataUnpickler(io.BufferedReader(rewritten), encoding="latin1").load()
            return _Maker(_MOST_MORE + rewritten.length).made(asked_for)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except MemoryError:
        raise InputError(f"{source}: asks for more memory than a file of its size should need") from None
    except EOFError:
        end = f" after {size:,} bytes" if size else ""
        raise InputError(f"{source}: not a readable pickle: cut off{end}; download it again, to its end") from None
    except RecursionError:
        raise InputError(f"{source}: not a readable pickle: nested too deeply") from None
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise InputError(f"{source}: not a readable pickle ({in_one_line(error)})") from None


class _Filled(list[Any]):
    """A dictionary or set while it is read: the parts in a row, keys and values in turn.

    Before them come those that the call gave which made it: the parts of a set, the pairs of a dictionary.
    """

    __slots__ = ("given", "kind")

    def __init__(self, kind: type, *given: Any) -> None:
        super().__init__()
        self.kind, self.given = kind, given

    def __setitem__(self, key: Any, value: Any) -> None:
        self.extend((key, value))


class _Call:
    """A call that a pickle asks for, and the state that it gives to the result."""

    __slots__ = ("arguments", "function", "state")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments, self.state = function, arguments, ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _StandIn:
    """What a pickle gets for a name. It can be called, but not altered: an alteration would outlive the reading."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise InputError("refuses to alter a function")


def _dtype(code: Any, *_: Any) -> np.dtype[Any]:
    if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?([biufSU])\d{0,4}", code):
        found = shown(code, longest=60) if isinstance(code, str) else type(code).__name__
        raise InputError(f"refuses an array of type {found}: only numbers and strings are read")
    return np.dtype(code)


def _array(shape: Any, kind: Any, order: Any, data: Any) -> npt.NDArray[Any]:
    if not isinstance(kind, np.dtype) or not isinstance(data, str | bytes | bytearray):
        raise InputError("refuses an array of Python objects: only numbers and strings are read")
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, kind).reshape(shape, order="C" if order == "C" else "F").copy()


def _empty(*_: Any) -> npt.NDArray[Any]:
    # until the state is known
    return np.empty(0)


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any, axis_order: Any = None) -> npt.NDArray[Any]:
    if order == "K" and axis_order is not None:
        # how NumPy >= 2.3 writes a transposed array: `shape` is that of the bytes as they lie in memory
        return _array(shape, kind, "C", data).transpose(axis_order)
    return _array(shape, kind, "F" if order == "F" else "C", data)


def _with_state(made: Any, state: list[Any]) -> Any:
    """Return an array with its bytes or a data type with its byte order, which pickles name after the call."""
    if isinstance(made, np.ndarray):
        _version, shape, kind, fortran, data = state
        return _array(shape, kind, "F" if fortran else "C", data)
    if not isinstance(made, np.dtype):
        raise InputError("refuses to alter what is neither an array nor a data type")
    _version, order, subtype, names, fields = state[:5]
    if subtype is not None or names is not None or fields is not None:
        raise InputError("refuses an array of a structured type: only numbers and strings are read")
    return made.newbyteorder(order) if order in ("<", ">") else made


def _scalar(kind: Any, data: Any) -> Any:
    if len(data) != kind.itemsize:
        raise InputError("refuses a number that has not the bytes of its type")
    return _array((), kind, "C", data)[()]


def _no_bytes() -> bytes:
    # Python 3 writes empty bytes this way when asked for an old protocol
    return b""


def _encode(text: str, encoding: object) -> bytes:
    # Python 3 writes bytes this way when asked for an old protocol
    if encoding not in ("latin1", "latin-1"):
        raise InputError("refuses another encoding than latin1")
    return text.encode("latin1")


def _uncalled(*_: Any) -> None:
    raise InputError("refuses to call what legitimate pickles only name")


_CORES = ("core", "_core")  # before and since NumPy 2
_STAND_INS: Mapping[tuple[str, str], _StandIn] = MappingProxyType(
    {
        name: _StandIn(call)
        for names, call in (
            # Python 2 gives all pairs to the call, and protocols before 4 all parts of a set
            ([("collections", "OrderedDict")], partial(_Filled, OrderedDict)),
            ([("__builtin__", "set"), ("builtins", "set")], partial(_Filled, set)),
            ([("__builtin__", "frozenset"), ("builtins", "frozenset")], partial(_Filled, frozenset)),
            ([("_codecs", "encode")], partial(_Call, _encode)),
            ([("__builtin__", "bytes"), ("builtins", "bytes")], partial(_Call, _no_bytes)),
            ([("numpy", "ndarray")], _uncalled),
            ([("numpy", "dtype")], partial(_Call, _dtype)),
            ([(f"numpy.{core}.multiarray", "_reconstruct") for core in _CORES], partial(_Call, _empty)),
            ([(f"numpy.{core}.multiarray", "scalar") for core in _CORES], partial(_Call, _scalar)),
            ([(f"numpy.{core}.numeric", "_frombuffer") for core in _CORES], partial(_Call, _from_buffer)),
        )
        for name in names
    }
)


class _DataUnpickler(pickle.Unpickler):
    """Reads what `WithoutHashing` has rewritten."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            found = shown(f"{module}.{name}", longest=100)
            raise InputError(f"refuses to construct {found}: not something that such a file holds") from None

    def persistent_load(self, pid: Any) -> Any:
        if pid is None:
            return _Filled(dict)
        return _Filled(set) if pid is True else _Filled(frozenset, pid)


_LEAVES = frozenset((type(None), bool, int, float, str, bytes))


class _Maker:
    """Makes what a pickle asks for, each thing once, and counts its parts as often as they are there."""

    def __init__(self, most: int) -> None:
        self._made = dict[int, tuple[Any, float]]()
        self._parts: float = 0
        self._most = most

    def made(self, value: Any, *, as_argument: bool = False) -> Any:
        """Return a value without stand-ins; types and stand-ins themselves are made as arguments only."""
        kind = type(value)
        if kind in _LEAVES or (as_argument and kind in (_StandIn, bytearray)):
            return value
        if kind is list and _are_leaves(value):
            self._count(1 + len(value))
            return value
        if (known := self._made.get(id(value))) is not None:
            result, parts = known
            self._count(parts)
        else:
            before, self._made[id(value)] = self._parts, (None, math.inf)  # what holds itself would never end
            result = self._called(value) if kind is _Call else self._filled(value)
            self._made[id(value)] = result, self._parts - before
        if isinstance(result, np.dtype) and not as_argument:
            raise InputError("refuses an object of type dtype")
        return result

    def _count(self, parts: float) -> None:
        self._parts += parts
        if self._parts > self._most:
            raise InputError("holds itself, or far more parts than a file of its size should: they are shared")

    def _called(self, call: _Call) -> Any:
        self._count(1)
        if not isinstance(call.state, tuple):
            raise InputError(f"refuses an object with a state of type {type(call.state).__name__}")
        result = call.function(*(self.made(each, as_argument=True) for each in call.arguments))
        return _with_state(result, [self.made(each, as_argument=True) for each in call.state]) if call.state else result

    def _filled(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise InputError(f"refuses an object of type {type(value).__name__}")
        self._count(1 + len(value))
        # tested here too: most parts are leaves, and the call is what takes the time
        parts = [part if type(part) in _LEAVES else self.made(part) for part in value]
        if not isinstance(value, _Filled):
            return tuple(parts) if isinstance(value, tuple) else parts
        is_mapping = issubclass(value.kind, dict)
        for given in value.given:
            parts[:0] = itertools.chain.from_iterable(self.made(given)) if is_mapping else self.made(given)
        keys = parts[::2] if is_mapping else parts
        if not _are_leaves(keys):
            # any number of tuples may have one hash, and then each is compared with all, ten in the time of one part
            self._count(sum(type(key) not in _LEAVES for key in keys) ** 2 / 10)
        return value.kind(zip(keys, parts[1::2], strict=True) if is_mapping else keys)


def _are_leaves(parts: Any) -> bool:
    return _LEAVES.issuperset(map(type, parts))
