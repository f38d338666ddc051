"""Files from the internet that mean harm, or are broken: one clear line each, exit code 2, and nothing else happens."""

import bz2
import gzip
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_exp.networks.cell_graph import OPERATIONS
from tests.conftest import ROOT, RunProgram
from tests.forks import Forks
from tests.topology import SIZE, str_of_index

CANARY = "canary"
TOUCH = f"touch {CANARY}"


class Call:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def _global(name: str, *, protocol: int = 4) -> bytes:
    """A pickle that names `module.attribute.attribute`, which `find_class` may be made to walk."""
    module, _, attribute = name.partition(" ")
    if protocol >= 4:
        text = [pickle.SHORT_BINUNICODE + bytes([len(part)]) + part.encode() for part in (module, attribute)]
        return pickle.PROTO + b"\x04" + b"".join(text) + pickle.STACK_GLOBAL
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def _called(function: bytes, *arguments: str) -> bytes:
    given = b"".join(pickle.BINUNICODE + struct.pack("<I", len(text)) + text.encode() for text in arguments)
    return function + pickle.MARK + given + pickle.TUPLE + pickle.REDUCE + pickle.STOP


ALTER = (  # pickle's BUILD on a function of ours would outlive the loading
    _global("numpy ndarray") + pickle.EMPTY_DICT + pickle.BUILD + pickle.STOP
)

HOSTILE_PICKLES: dict[str, bytes] = {
    "os.system": pickle.dumps(Call(os.system, TOUCH)),
    "os.system, protocol 0": pickle.dumps(Call(os.system, TOUCH), 0),
    "os.system, in the text form": f"cos\nsystem\n(S'{TOUCH}'\ntR.".encode(),
    "a process": pickle.dumps(Call(subprocess.Popen, ["touch", CANARY])),
    "eval": pickle.dumps(Call(eval, f"open({CANARY!r}, 'w')")),
    "exec": pickle.dumps(Call(exec, f"open({CANARY!r}, 'w')")),
    "open": pickle.dumps(Call(open, CANARY, "w")),
    "deep inside": pickle.dumps({"data": [[{"labels": (1, Call(os.system, TOUCH))}]]}),
    "as a key": pickle.dumps({"labels": 1}, 2)[:-1] + b"(" + pickle.dumps(Call(os.system, TOUCH), 2)[2:-1] + b"K\x01u.",
    "a dotted name": _called(_global("numpy ndarray.__subclasses__"), TOUCH),
    "a dotted name through numpy": _called(_global("numpy f2py.os.system"), TOUCH),
    "a call of a call": _called(_called(_global("builtins getattr"), "os", "system")[:-1], TOUCH),
    "numpy's own loader": pickle.dumps(Call(np.load, "evil.npy", None, True)),
    "another unpickler": pickle.dumps(Call(pickle.loads, pickle.dumps(Call(os.system, TOUCH)))),
    "an import": _called(_global("importlib import_module"), "this"),
    "altering a function": ALTER,
    "an instance, the old way": b"(S'touch canary'\nios\nsystem\n.",
    "an object, the old way": b"(cos\nsystem\nS'touch canary'\no.",
    "a persistent id": b"Ptouch canary\n.",
    "an extension code": b"\x82\x01.",
    "an object array": pickle.dumps({"data": np.array([Call(os.system, TOUCH)], dtype=object), "labels": [1]}),
    "a huge memo": b"Nr\xff\xff\xff\x7f.",
    "a huger memo": b"\x80\x04N" + pickle.LONG_BINPUT + struct.pack("<I", 2**32 - 2) + b".",
    "a huge string": b"\x80\x04" + pickle.BINUNICODE8 + struct.pack("<Q", 2**62) + b"x.",
    "a huge buffer": b"\x80\x05" + pickle.BYTEARRAY8 + struct.pack("<Q", 2**40) + b"x.",
    "a huge frame": b"\x80\x04" + pickle.FRAME + struct.pack("<Q", 2**62) + b"N.",
    "nested too deeply": b"]" * 200_000 + b"a" * 199_999 + b".",
    "doubled forty times": b"\x80\x02X\x08\x00\x00\x00aaaaaaaaq\x00" + b"(h\x00h\x00tq\x00" * 40 + b".",
    "a key that is doubled forty times": b"\x80\x02}X\x08\x00\x00\x00aaaaaaaaq\x00" + b"h\x00\x86q\x00" * 40 + b"Ns.",
    "a key of a million tuples": b"\x80\x02})" + b"\x85" * 10**6 + b"Ns.",
    "cut short": pickle.dumps({"data": np.zeros((10, 3072), np.uint8), "labels": list(range(10))})[:500],
    "empty": b"",
    "text": b"<html>404 Not Found</html>",
    "zeros": bytes(1000),
    "a list": pickle.dumps([1, 2, 3]),
    "a number": pickle.dumps(7),
    "no such keys": pickle.dumps({"x": 1}),
    "the wrong types": pickle.dumps({"data": "pixels", "labels": {"a": 1}, "meta_archs": 3, "12": "x", "200": "y"}),
    "the wrong shapes": pickle.dumps({"data": np.zeros((3, 5), np.uint8), "labels": [1, 2]}),
    "numbers that are none": pickle.dumps({"data": np.full((2, 3072), np.nan), "labels": [0, 1]}),
    "labels out of range": pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10**9]}),
}


def nothing_but(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class Reader:
    """Reads hostile files, in a process of its own."""

    def __init__(self, program: RunProgram, forks: Forks, folder: Path) -> None:
        self.program, self.forks, self.folder = program, forks, folder

    def refuses(self, kind: str, path: str, *job: str) -> str:
        """Return the line in which what is at a path is refused: by a job, or by what jobs read it with."""
        before = nothing_but(self.folder)
        if job:
            done = self.program(*job, "hydra.run.dir=outputs/refused")
        else:
            script = str(Path(__file__).with_name("read.py"))
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = self.forks.run(script, kind, path, cwd=self.folder, env=environment, timeout=60)
        assert done.returncode == 2, done.stdout + done.stderr
        # CPython 3.11 adds this when there is no memory for a bytearray
        told = done.stderr.removeprefix("SystemError: deallocated bytearray object has exported buffers\n")
        assert told.startswith("error: ")
        assert told.count("\n") == 1
        assert len(told) < 1000
        new = {path for path in nothing_but(self.folder) - before if not path.startswith(("outputs", "data"))}
        assert not new
        assert not (self.folder / CANARY).exists()
        return told


@pytest.fixture
def reader(program: RunProgram, forks: Forks, tmp_path: Path) -> Reader:
    return Reader(program, forks, tmp_path)


def test_the_corpus_does_harm_to_others(tmp_path: Path) -> None:
    # or the canary proves nothing
    dangerous = [
        "os.system", "os.system, protocol 0", "os.system, in the text form", "a process", "eval", "exec", "open",
        "deep inside", "as a key", "another unpickler", "an object array", "an instance, the old way",
        "an object, the old way",
    ]  # fmt: skip
    for name in dangerous:
        folder = tmp_path / name
        folder.mkdir()
        script = "import pickle, sys\ntry:\n    pickle.load(sys.stdin.buffer)\nexcept Exception:\n    pass"
        subprocess.run([sys.executable, "-c", script], input=HOSTILE_PICKLES[name], cwd=folder, check=True)
        deadline = time.monotonic() + 10  # a process that was started may outlive the one that started it
        while not (folder / CANARY).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (folder / CANARY).exists(), name
    for name, content in HOSTILE_PICKLES.items():
        if name.startswith(("os", "deep", "as a", "a dotted", "a call")):
            list(pickletools.genops(content))  # they are pickles


def hostile_batches(folder: Path, name: str) -> None:
    batches = folder / "images/cifar-10-batches-py"
    batches.mkdir(parents=True)
    for number in range(1, 6):
        (batches / f"data_batch_{number}").write_bytes(HOSTILE_PICKLES[name])


@pytest.mark.parametrize("name", HOSTILE_PICKLES)
def test_hostile_images_are_refused(reader: Reader, tmp_path: Path, name: str) -> None:
    hostile_batches(tmp_path, name)
    assert "data_batch_1" in reader.refuses("images", "images")


BATCH_FILES = [f"data_batch_{number}" for number in range(1, 6)]


def archive(folder: Path, *, meta: bytes, record: bytes, compress: Callable[[bytes], bytes] = bz2.compress) -> None:
    folder.mkdir()
    (folder / "meta.pickle.pbz2").write_bytes(compress(meta))
    (folder / "000011.pickle.pbz2").write_bytes(compress(record))


META = pickle.dumps({"meta_archs": [str_of_index(arch) for arch in range(SIZE)]})
EVIL = "NATS-tss-v1_0-evil-simple"
SCORE = ("metric=relu", "dataset.root=images", "metric.batch_size=4", "network.C=4", "network.N=1")
IMPORT = ("task=import", "benchmark=nats", f"benchmark.path={EVIL}", "n_jobs=1")


@pytest.mark.parametrize("name", HOSTILE_PICKLES)
@pytest.mark.parametrize("place", ["meta", "record"])
def test_hostile_archives_are_refused(reader: Reader, tmp_path: Path, name: str, place: str) -> None:
    meta, record = (HOSTILE_PICKLES[name], META) if place == "meta" else (META, HOSTILE_PICKLES[name])
    archive(tmp_path / EVIL, meta=meta, record=record)
    told = reader.refuses("archive", EVIL)
    assert {"meta": "meta.pickle.pbz2", "record": "000011.pickle.pbz2"}[place] in told


def bomb(_: bytes) -> bytes:
    """Ten gigabytes of a string, in a file of less than one megabyte."""
    head = b"\x80\x04" + pickle.BINUNICODE8 + struct.pack("<Q", 10 * 2**30)
    return bz2.compress(head) + bz2.compress(b"a" * 2**24) * 640


@pytest.mark.parametrize(
    ("compress", "message"),
    [
        (bomb, "asks for more memory"),
        (lambda content: content, "not a readable pickle"),
        (lambda content: bz2.compress(content)[:-20], "not a readable pickle"),
        (lambda content: b"", "not a readable pickle"),
    ],
    ids=["a bomb", "not compressed", "cut short", "empty"],
)
def test_broken_compression_is_refused(
    reader: Reader, tmp_path: Path, compress: Callable[[bytes], bytes], message: str
) -> None:
    archive(tmp_path / EVIL, meta=META, record=META, compress=compress)
    assert message in reader.refuses("archive", EVIL)


@pytest.mark.parametrize(
    "archs",
    [
        ["../../../etc/passwd"] * SIZE,
        [str_of_index(0)] * SIZE,
        [*map(str_of_index, range(SIZE - 1)), "|nor_conv_7x7~0|+|none~0|none~1|+|none~0|none~1|none~2|"],
        [],
        [None] * SIZE,
        [f"|{OPERATIONS[0]}~0|" * 10**5],
        ["64:64:64:64:64"] * SIZE,
    ],
    ids=["paths", "duplicates", "unknown", "none", "no strings", "long", "the size space"],
)
def test_archives_of_other_architectures_are_refused(reader: Reader, tmp_path: Path, archs: list[Any]) -> None:
    archive(tmp_path / EVIL, meta=pickle.dumps({"meta_archs": archs}), record=META)
    assert "meta.pickle.pbz2" in reader.refuses("archive", EVIL)


def npz(members: dict[str, bytes]) -> bytes:
    return npz_of(*members.items())


def npz_of(*members: tuple[str, bytes], comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings(action="ignore"):
        file.comment = comment
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def npz_bomb(images: int) -> bytes:
    """A bundle of black images, three kilobytes each once it is read."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("labels.npy", LABELS)
        with file.open("images.npy", "w") as member:
            member.write(header(f"({images}, 32, 32, 3)"))
            for _ in range(images // 1024):
                member.write(bytes(1024 * 3072))
    return stream.getvalue()


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


LABELS = npy(np.zeros(4, np.int64))
PIXELS = npy(np.zeros((4, 32, 32, 3), np.uint8))
OBJECTS = npy(np.array([Call(os.system, TOUCH)]), allow_pickle=True)
GOOD = npz({"images.npy": PIXELS, "labels.npy": LABELS})
CODE = "__import__('os').system('touch canary')"
HOSTILE_BUNDLES: dict[str, Callable[[], bytes]] = {
    "an object array": lambda: npz({"images.npy": OBJECTS, "labels.npy": LABELS}),
    "a huge header": lambda: npz({"images.npy": header("(1099511627776, 32, 32, 3)"), "labels.npy": LABELS}),
    "a negative header": lambda: npz({"images.npy": header("(-1, 32, 32, 3)"), "labels.npy": LABELS}),
    "a header that is code": lambda: npz({"images.npy": header(CODE), "labels.npy": LABELS}),
    "a bomb": lambda: npz_bomb(262144),
    "another folder": lambda: npz({"../images.npy": PIXELS, "../labels.npy": LABELS}),
    "cut short": lambda: GOOD[:-30],
    "no zip": lambda: HOSTILE_PICKLES["os.system"],
    "pickles for arrays": lambda: npz(dict.fromkeys(("images", "labels"), HOSTILE_PICKLES["os.system"])),
    "NaN for labels": lambda: npz({"images.npy": PIXELS, "labels.npy": npy(np.full(4, np.nan))}),
    "the wrong shape": lambda: npz({"images.npy": npy(np.zeros((4, 32, 3, 32), np.uint8)), "labels.npy": LABELS}),
    "a member twice": lambda: npz_of(("images.npy", PIXELS), ("labels.npy", LABELS), ("labels.npy", LABELS)),
    "two members of a name": lambda: npz_of(("images.npy", PIXELS), ("images", PIXELS), ("labels.npy", LABELS)),
    "names that differ in case": lambda: npz_of(("images.npy", PIXELS), ("Images.npy", PIXELS), ("labels.npy", LABELS)),
    "an array and a zip": lambda: PIXELS + GOOD,
    "two zips": lambda: npz({"labels.npy": LABELS}) + GOOD,
    "something after the zip": lambda: GOOD + b"#!/bin/sh",
    "a comment": lambda: npz_of(("images.npy", PIXELS), ("labels.npy", LABELS), comment=b"#!/bin/sh"),
    "a web page": lambda: b"<!DOCTYPE html><title>404</title>" + GOOD,
    "an image after a zip's first letters": lambda: b"PK" + PIXELS,
}


def hostile_bundle(folder: Path, name: str) -> None:
    (folder / "images").mkdir()
    (folder / "images/cifar10.npz").write_bytes(HOSTILE_BUNDLES[name]())


@pytest.mark.parametrize("name", HOSTILE_BUNDLES)
def test_hostile_bundles_are_refused(reader: Reader, tmp_path: Path, name: str) -> None:
    hostile_bundle(tmp_path, name)
    assert "cifar10.npz" in reader.refuses("images", "images")


def tar(*members: tarfile.TarInfo | str, content: bytes = HOSTILE_PICKLES["os.system"]) -> bytes:
    """An archive of files, links and whatever else; what is only named is a file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as file:
        for each in members:
            member = tarfile.TarInfo(each) if isinstance(each, str) else each
            member.size = member.size or len(content) * member.isreg()
            file.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def special(kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.type, member.linkname = kind, linkname
    return member


def claiming(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The header of a member of a size."""
    member = tarfile.TarInfo("data_batch_1")
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def with_zeros(begins: bytes, size: int) -> bytes:
    """A compressed file that unpacks to some bytes and so many zeros."""
    stream = io.BytesIO()
    with gzip.open(stream, "wb", compresslevel=1) as file:
        file.write(begins)
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return stream.getvalue()


HOSTILE_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "hostile batches": lambda: gzip.compress(tar(*BATCH_FILES)),
    "a batch twice": lambda: gzip.compress(tar("a/data_batch_1", "b/data_batch_1")),
    "other folders": lambda: gzip.compress(tar("../../data_batch_1", "/data_batch_2")),
    "a link to a file": lambda: gzip.compress(tar(special(tarfile.SYMTYPE, "/etc/passwd"))),
    "a hard link": lambda: gzip.compress(tar(special(tarfile.LNKTYPE, "/etc/passwd"))),
    "a device": lambda: gzip.compress(tar(special(tarfile.CHRTYPE))),
    "a pipe": lambda: gzip.compress(tar(special(tarfile.FIFOTYPE))),
    "a folder": lambda: gzip.compress(tar(special(tarfile.DIRTYPE))),
    "more than there is": lambda: gzip.compress(claiming(2**20)),
    "a huge batch": lambda: gzip.compress(claiming(2**50)),
    "a huge header": lambda: with_zeros(claiming(2**30, tarfile.XHDTYPE), 2**30),
    "a batch of zeros": lambda: with_zeros(claiming(2**30 - 2**20), 2**30),
    "zeros after the end": lambda: with_zeros(tar("data_batch_1"), 2**30 + 2**20),
    "many files": lambda: gzip.compress(tar("a", content=b"")[:512] * 300_000),
    "no archive": lambda: HOSTILE_PICKLES["os.system"],
    "compressed twice": lambda: gzip.compress(gzip.compress(tar(*BATCH_FILES))),
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", HOSTILE_ARCHIVES)
def test_hostile_archives_of_images_are_refused(reader: Reader, tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/cifar-10-python.tar.gz").write_bytes(HOSTILE_ARCHIVES[name]())
    assert "cifar-10-python.tar.gz" in reader.refuses("images", "images")


@pytest.mark.parametrize("place", ["cifar10.npz", "cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1"])
def test_images_are_read_from_regular_files_alone(reader: Reader, tmp_path: Path, place: str) -> None:
    path = tmp_path / "images" / place
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert f"{path.name}: is no regular file" in reader.refuses("images", "images")
    path.unlink()
    path.symlink_to("/dev/zero")
    assert f"{path.name}: is no regular file" in reader.refuses("images", "images")


@pytest.mark.slow
def test_jobs_refuse_what_their_readers_refuse(reader: Reader, tmp_path: Path) -> None:
    hostile_batches(tmp_path, "os.system")
    assert "data_batch_1" in reader.refuses("images", "images", *SCORE)
    (tmp_path / "images/cifar-10-batches-py").rename(tmp_path / "batches")
    (tmp_path / "images").rmdir()
    hostile_bundle(tmp_path, "a bomb")
    assert "cifar10.npz" in reader.refuses("images", "images", *SCORE)
    archive(tmp_path / EVIL, meta=META, record=HOSTILE_PICKLES["a huge string"])
    assert "000011.pickle.pbz2" in reader.refuses("archive", EVIL, *IMPORT)
