"""The instructions of a pickle, rewritten so that loading it fills lists alone.

A dictionary or set hashes what is put into it, and a pickle of 120 bytes can hold a tuple of 2^40 parts: each of forty
tuples holds the one before it twice. So nothing is hashed while a pickle is loaded. Dictionaries and sets are asked for
as persistent objects, which the unpickler makes as it likes, and what would be put into them is appended to them.
"""

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from nas_exp.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 2**20
_MOST_LARGE_INTEGERS = 10_000
"""Of more than 64 bits: any number of them can have one hash, and then a dictionary compares each with all."""


def _counted(most: int) -> bytes:
    # one alternative a length: a regular expression cannot go by a number that it has read
    return b"(?:%s)" % b"|".join(re.escape(bytes([count])) + b".{%d}" % count for count in range(most + 1))


# in the order of how often they occur: floats, the memo, short strings, integers, None, booleans, tuples, lists, calls
_KEPT = (
    rb"G.{8}|\x94|[\x8cUC]%s|K.|[h\x80q].|[N)\]\x88\x89t\x85\x86\x87alesRb\x93]|\((?=[^d])|M..|[Jjr].{4}"
    rb"|[gp][0-9]{1,9}\n|[IL]-?[0-9]{1,18}L?\n|[FSV][^\n]*\n|c[^\n]*\n[^\n]*\n|\x8a%s"
) % (_counted(31), _counted(8))
_STEP = re.compile(
    rb"(?:%s)*+(?:(?P<frame>\x95.{8})|(?P<changed>[}\x8fu\x90\x91]|\(d)|(?P<large>[IL][^\n]*\n)"
    rb"|(?P<text>[\x8cUC\x8a].|[XTB].{4}|[\x8d\x8e\x96].{8})|(?P<huge>\x8b)|(?P<end>\.)|)" % _KEPT,
    re.DOTALL,
)
"""Instructions that are kept as they are, as many as there are, and the next that is not."""
_CHANGED = {b"}": b"NQ", b"(d": b"NQ", b"\x8f": b"\x88Q", b"\x91": b"tQ", b"u": b"e", b"\x90": b"e"}
"""Empty dictionaries, empty sets and frozen sets become the persistent objects None, True and a tuple of the parts."""


class WithoutHashing(io.RawIOBase):
    """A pickle that is rewritten as it is read.

    Reading raises `InputError` if it is cut off or has an instruction that no file has which is read here, and
    `MemoryError` if it is longer than it may be.
    """

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        """Begin to read `stream`, of which `longest` bytes are read at most; `length` says how many it were."""
        self.length = 0
        self._stream, self._longest = stream, longest
        self._parts, self._ready = self._rewritten(), b""

    def readable(self) -> bool:
        """Return True: an `io.BufferedReader` asks."""
        return True

    def readinto(self, target: "WriteableBuffer", /) -> int:
        """Read as much as there is ready and has room; return how many bytes that is."""
        while not self._ready and (part := next(self._parts, None)) is not None:
            self._ready = part
        room = memoryview(target)
        count = min(len(room), len(self._ready))
        room[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _rewritten(self) -> Iterator[bytes]:
        data, lacking, large = b"", 0, 0
        while chunk := self._stream.read(max(_CHUNK, len(data), lacking)):
            data, self.length = data + chunk, self.length + len(chunk)
            if self.length > self._longest:
                raise MemoryError
            parts, position = list[bytes](), 0
            while True:
                step = _STEP.match(data, position)
                assert step is not None  # nothing at all matches as well
                kind, end = step.lastgroup or "", step.end()
                code, start = (step[kind], step.start(kind)) if kind else (b"", end)
                if kind == "text":
                    end += int.from_bytes(code[1:], "little")
                if not kind or end > len(data):  # the rest is still to be read
                    parts.append(data[position:start])
                    data, lacking = data[start:], end - len(data)
                    if self.length + lacking > self._longest:
                        raise MemoryError
                    break
                parts += data[position:start], b"" if kind == "frame" else _CHANGED.get(code, data[start:end])
                position = end
                if kind == "end":
                    yield b"".join(parts)
                    return
                if kind == "huge":
                    raise InputError("refuses an integer of more than 255 bytes")
                large += kind == "large" or code[:1] == b"\x8a"
                if large > _MOST_LARGE_INTEGERS:
                    raise InputError(f"holds more than {_MOST_LARGE_INTEGERS:,} integers of more than 64 bits")
            yield b"".join(parts)
        if lacking > 0:
            raise InputError(f"not a readable pickle: cut off, at least {lacking:,} bytes are missing")
        place = f"at byte {self.length - len(data):,} of {self.length:,}"
        raise InputError(f"not a readable pickle: cut off, damaged, or with an instruction that no data has, {place}")
