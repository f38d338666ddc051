"""Reading pickles from the internet without running them.

NATS-Bench archives and the official CIFAR and ImageNet16 batches are pickles. A pickle is a program: loading one may
call anything that can be imported. Here nothing can be imported. Plain containers, strings, bytes, numbers and None
need no import; the few names that legitimate files hold are replaced by stand-ins of this module.
"""

import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError, in_one_line
from nas_exp.storage.memory import limited_by


def load(stream: BinaryIO, source: str) -> Any:
    """Read one pickle that holds nothing but containers, strings, bytes, numbers, None and NumPy arrays.

    Python 2's byte strings are decoded as Latin-1, which keeps every byte. Arrays are copies, never object arrays.

    Args:
        stream: the open pickle.
        source: the file's name, for the error message.

    Raises:
        InputError: the pickle is broken, holds other types, or needs much more memory than a file of its size should.
    """
    try:
        size = os.fstat(stream.fileno()).st_size
    except OSError:  # no file, but bytes in memory
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
    try:
        with limited_by(size):
            return _unwrap(_DataUnpickler(stream, encoding="latin1").load(), {})
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except MemoryError:
        raise InputError(f"{source}: asks for more memory than a file of its size should need") from None
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise InputError(f"{source}: not a readable pickle ({in_one_line(error)})") from None


class _DType:
    """A data type while it is being read; only booleans, numbers and fixed-length strings are allowed."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?([biufSU])\d{0,4}", code):
            raise InputError(f"refuses an array of type {code!r}: only numbers and strings are read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields = state[:5]
        if subtype is not None or names is not None or fields is not None:
            raise InputError("refuses an array of a structured type: only numbers and strings are read")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array while it is being read; empty until the pickle sets its shape, type and bytes."""

    def __init__(self, *_: Any) -> None:
        self.array: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, data = state
        if not isinstance(kind, _DType) or not isinstance(data, str | bytes):
            raise InputError("refuses an array of Python objects: only numbers and strings are read")
        raw = data.encode("latin1") if isinstance(data, str) else data
        self.array = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C").copy()


def _from_buffer(
    data: bytes | bytearray,
    kind: _DType,
    shape: tuple[int, ...],
    order: str,
    axis_order: tuple[int, ...] | None = None,
) -> _Array:
    result = _Array()
    result.__setstate__((1, shape, kind, order == "F", bytes(data)))
    if order == "K" and axis_order is not None:
        # how NumPy >= 2.3 writes a transposed array: `shape` is that of the bytes as they lie in memory
        result.array = result.array.transpose(axis_order)
    return result


def _scalar(kind: _DType, data: str | bytes) -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, kind.dtype, count=1)[0]


def _no_bytes() -> bytes:
    # Python 3 writes empty bytes this way when asked for an old protocol
    return b""


def _encode(text: str, encoding: str) -> bytes:
    # Python 3 writes bytes this way when asked for an old protocol
    if encoding not in ("latin1", "latin-1"):
        raise InputError(f"refuses the encoding {encoding!r}")
    return text.encode("latin1")


class _StandIn:
    """What a pickle gets for a name. It can be called, but not altered: an alteration would outlive the reading."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise InputError("refuses to alter a function")


def _uncalled(*_: Any) -> None:
    raise InputError("refuses to call what legitimate pickles only name")


_STAND_INS: Mapping[tuple[str, str], _StandIn] = MappingProxyType(
    {
        name: _StandIn(call)
        for names, call in (
            ([("collections", "OrderedDict")], OrderedDict),
            ([("_codecs", "encode")], _encode),
            # protocols before 4 write sets as calls
            ([("__builtin__", "set"), ("builtins", "set")], set),
            ([("__builtin__", "frozenset"), ("builtins", "frozenset")], frozenset),
            ([("__builtin__", "bytes"), ("builtins", "bytes")], _no_bytes),
            ([("numpy", "ndarray")], _uncalled),
            ([("numpy", "dtype")], _DType),
            ([("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")], _Array),
            ([("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")], _scalar),
            ([("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")], _from_buffer),
        )
        for name in names
    }
)


class _DataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise InputError(f"refuses to construct {module}.{name}: not something that such a file holds") from None


_LEAVES = frozenset((type(None), bool, int, float, str, bytes))


def _unwrap(value: Any, seen: dict[int, Any]) -> Any:
    """Replace the stand-ins in nested containers by their values; shared parts stay shared."""
    if type(value) in _LEAVES:
        return value
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, _Array):
        result: Any = value.array
    elif isinstance(value, dict):
        result = type(value)()
        seen[id(value)] = result
        for key, item in value.items():
            # tested here too: most items are leaves, and the call is what takes the time
            result[_unwrap(key, seen)] = item if type(item) in _LEAVES else _unwrap(item, seen)
    elif isinstance(value, list):
        result = []
        seen[id(value)] = result
        result.extend([item if type(item) in _LEAVES else _unwrap(item, seen) for item in value])
    elif isinstance(value, tuple | set | frozenset):
        result = type(value)(_unwrap(item, seen) for item in value)
    elif value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return value
    else:
        raise InputError(f"refuses an object of type {type(value).__name__}")
    seen[id(value)] = result
    return result
