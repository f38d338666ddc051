"""Training images: reading them from what people have on disk, and drawing the one mini-batch that metrics see."""

import contextlib
import gzip
import hashlib
import io
import itertools
import os
import re
import reprlib
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError, in_one_line, listed
from nas_exp.storage import pickles
from nas_exp.storage.files import open_regular
from nas_exp.storage.memory import limited_by


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images: `pixels` uint8 (n, H, W, 3), `labels` int64 (n,); `source` names them in error messages."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    source: str = "images"


@dataclass(frozen=True, eq=False)
class MiniBatch:
    """A mini-batch: `images` float32 (B, 3, H, W), normalised per channel, and `labels` int64 (B,).

    `digest` identifies the raw pixels, the labels and their order: 16 hexadecimal digits of a SHA-256.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    digest: str


def load_images(root: Path, *, name: str, num_classes: int, image_size: int) -> Images:
    """Read a data set's training images from its official distribution or from an .npz bundle.

    Args:
        root: a bundle, an official archive, the folder of the official batches, or a folder that holds one of these.
            The batches of Python win over a bundle beside them, and a bundle over what else is there.
        name: the data set. A bundle is named NAME.npz or NAME_*.npz; case, and '-' or '_', make no difference. Data
            sets other than CIFAR-10, CIFAR-100 and ImageNet16-120 have no official batches.
        num_classes: labels run from 0 to num_classes - 1; ImageNet16's further classes are left out.
        image_size: height and width in pixels.

    Raises:
        InputError: there is nothing to read, more than one bundle to choose from, or a file is not what it should be.
    """
    root = Path(os.path.expanduser(root))  # unlike Path.expanduser it leaves the names of unknown users alone
    try:
        place, layout = _find(root, name)
        if layout is None:
            images = _read_bundle(place, num_classes, image_size)
        else:
            images = _read_official(place, layout, num_classes, image_size)
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror or error}, expected images of {name}") from None
    if not len(images.labels):
        raise InputError(f"{images.source}: found no image of the {num_classes} classes, expected at least one")
    return images


def mini_batch(images: Images, *, size: int, seed: int, mean: Sequence[float], std: Sequence[float]) -> MiniBatch:
    """Draw `size` different images uniformly, in random order, and normalise them per channel.

    A pure function of its arguments. `mean` and `std` are per channel, in pixel values 0…255.

    Raises:
        InputError: there are fewer than `size` images.
    """
    if len(images.labels) < size:
        raise InputError(f"{images.source}: holds {len(images.labels)} images, expected {size} for one mini-batch")
    # The key keeps this stream apart from those of the runs, which the same seed spawns under the keys (0,), (1,), …
    stream = np.random.SeedSequence(seed, spawn_key=tuple(b"mini-batch"))
    drawn = np.random.default_rng(stream).choice(len(images.labels), size, replace=False)
    pixels, labels = images.pixels[drawn], images.labels[drawn]
    raw = repr(pixels.shape).encode() + pixels.tobytes() + labels.astype("<i8").tobytes()
    normalised = (pixels - np.asarray(mean)) / np.asarray(std)
    channels_first = np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), np.float32)
    return MiniBatch(images=channels_first, labels=labels, digest=hashlib.sha256(raw).hexdigest()[:16])


class _Layout(NamedTuple):
    """A form in which a data set is distributed."""

    names: tuple[str, ...]  # of its folder and of its archive without the ending, in lower case
    files: tuple[str, ...]
    label_key: str = "labels"
    labels: range | None = None  # None: exactly the data set's classes
    label_bytes: int = 1  # of a .bin file: that many labels precede the pixels of an image, and the last one counts


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(name.format(number) for number in range(1, count + 1))


_OFFICIAL: dict[str, tuple[_Layout, ...]] = {
    "cifar10": (
        _Layout(("cifar-10-batches-py", "cifar-10-python"), _numbered("data_batch_{}", 5)),
        _Layout(("cifar-10-batches-bin", "cifar-10-binary"), _numbered("data_batch_{}.bin", 5)),
    ),
    "cifar100": (
        _Layout(("cifar-100-python",), ("train",), "fine_labels"),
        _Layout(("cifar-100-binary",), ("train.bin",), "fine_labels", label_bytes=2),
    ),
    # all of ImageNet in 16 by 16 pixels: ImageNet16-120 is its first 120 classes
    "imagenet16-120": (
        _Layout(("imagenet16", "imagenet16_train"), _numbered("train_data_batch_{}", 10), labels=range(1, 1001)),
        _Layout(("imagenet16_train_npz",), _numbered("train_data_batch_{}.npz", 10), labels=range(1, 1001)),
    ),
}
"""The layouts of each data set; the first is that of Python's batches."""
_ARCHIVE_SIZES = {
    "cifar-10-python.tar.gz": 170_498_071,
    "cifar-10-binary.tar.gz": 170_052_171,
    "cifar-100-python.tar.gz": 169_001_437,
    "cifar-100-binary.tar.gz": 168_513_733,
}
"""How many bytes the official archives have."""
_LARGEST = 2**30
"""How many bytes an archive may unpack to; CIFAR's have a fifth of that."""
_PAIRS = (("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"))
"""What images and labels are called in a bundle, in lower case."""


def _find(root: Path, name: str) -> tuple[Path, _Layout | None]:
    """Return where the images are and in which layout, None for a bundle."""
    layouts = _OFFICIAL.get(name, ())
    inside = sorted(root.iterdir()) if root.is_dir() else [root]
    bundle = re.compile(rf"{re.escape(name)}(-.*)?\.npz".replace(r"\-", "-").replace("-", "[-_]"), re.IGNORECASE)
    bundles = [path for path in inside if bundle.fullmatch(path.name) and path.exists() and not path.is_dir()]
    folders: list[tuple[Path, _Layout | None]] = []
    archives: list[tuple[Path, _Layout | None]] = []
    for layout in layouts:
        named = [path for path in inside if path.name.lower() in layout.names]
        folders += [(path, layout) for path in (*named, root) if any((path / file).exists() for file in layout.files)]
        endings = "".join(f"{each}.tar {each}.tar.gz {each}.tgz " for each in layout.names).split()
        archives += [(path, layout) for path in inside if path.name.lower() in endings]
    python_batches = [found for found in folders if found[1] is layouts[0]]
    found = [*python_batches, *((path, None) for path in bundles), *folders, *archives]
    if not found:
        raise _nothing(root, name, inside)
    if found[0][1] is None and len(bundles) > 1:
        raise InputError(f"{root}: found {listed(path.name for path in bundles)}, expected one bundle of {name}")
    return found[0]


def _nothing(root: Path, name: str, inside: Sequence[Path]) -> InputError:
    found = f"found no images of {name}"
    if root.is_dir() and inside:
        found += f" among {listed(path.name for path in inside)}"
    expected = f"{name}.npz, {name}_*.npz"
    for python_batches in _OFFICIAL.get(name, ())[:1]:
        files = " … ".join(sorted({python_batches.files[0], python_batches.files[-1]}))
        expected += f" or {python_batches.names[0]} with {files}"
    packed = [path.name for path in inside if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z")]
    return InputError(
        f"{root}: {found}, expected {expected}" + (f"; if {listed(packed)} holds them, unpack it" if packed else "")
    )


def _read_official(place: Path, layout: _Layout, num_classes: int, image_size: int) -> Images:
    label_range = layout.labels or range(num_classes)
    parts = {}
    for file, stream in _open(place, layout.files):
        path = place / file
        if file.endswith(".npz"):
            keys, arrays = _read_npz(path, stream, [("data", layout.label_key)])
        else:
            keys = "data", layout.label_key
            read = _read_binary if file.endswith(".bin") else _read_pickle
            arrays = read(path, stream, layout, image_size)
        pixels, labels = _checked(path, arrays, keys, (3 * image_size * image_size,), label_range)
        labels -= label_range.start
        wanted = labels < num_classes
        parts[file] = pixels[wanted], labels[wanted]
    if missing := [file for file in layout.files if file not in parts]:
        raise InputError(f"{place}: found no {', '.join(missing)}, expected {len(layout.files)} batch files")
    rows = np.concatenate([parts[file][0] for file in layout.files])
    channels_last = rows.reshape(-1, 3, image_size, image_size).transpose(0, 2, 3, 1)
    labels = np.concatenate([parts[file][1] for file in layout.files])
    return Images(np.ascontiguousarray(channels_last), labels, str(place))


def _open(place: Path, files: Sequence[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Open one after another those of some files that a folder or an archive has."""
    if not place.is_dir():
        yield from _unpacked(place, files).items()
        return
    for file in files:
        if (place / file).exists():
            with open_regular(place / file) as stream:
                yield file, stream


def _unpacked(path: Path, files: Sequence[str]) -> dict[str, BinaryIO]:
    """Return those of some files that are in a tar archive, compressed or not, in whichever folder."""
    found: dict[str, BinaryIO] = {}
    with open_regular(path) as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        with _reading(path, size, "archive"), gzip.open(stream) if compressed else stream as content:
            with tarfile.open(fileobj=content, mode="r|") as archive:
                for member in itertools.islice(archive, 100):
                    if member.offset_data + member.size > _LARGEST:
                        raise ValueError(f"unpacks to more than {_LARGEST:,} bytes")
                    file = PurePosixPath(member.name).name
                    if file in found:
                        raise ValueError(f"has {file} twice")
                    if file in files and (data := archive.extractfile(member)):
                        found[file] = io.BytesIO(data.read())
            while content.read(2**20):  # at the end is what says whether all was there
                if content.tell() > _LARGEST:
                    raise ValueError(f"unpacks to more than {_LARGEST:,} bytes")
    return found


@contextlib.contextmanager
def _reading(path: Path, size: int, kind: str) -> Iterator[None]:
    """Limit the memory that reading a file of a size may take, and say in one line what stands in its way."""
    try:
        with limited_by(size // 10):  # arrays, unlike the objects of a pickle, grow by their compression alone
            yield
    except MemoryError:
        raise InputError(f"{path}: asks for more memory than a file of its size should need") from None
    except Exception as error:  # a damaged or hostile file can make NumPy, zipfile, gzip and tarfile raise anything
        if isinstance(error, EOFError) or "unexpected end" in str(error):
            whole = _ARCHIVE_SIZES.get(path.name.lower(), 0)
            of = f" of {whole:,}" if size < whole else ""
            raise InputError(f"{path}: is cut off, found {size:,}{of} bytes; download it again") from None
        raise InputError(f"{path}: not a readable {kind} ({in_one_line(error)})") from None


def _read_pickle(path: Path, stream: BinaryIO, layout: _Layout, image_size: int) -> dict[Any, Any]:
    content = pickles.load(stream, str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {_describe(content)}, expected a dictionary")
    # the originals come from Python 2, whose str reads as str here; copies that Python 3 wrote may have bytes
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


def _read_binary(path: Path, stream: BinaryIO, layout: _Layout, image_size: int) -> dict[Any, Any]:
    content = np.frombuffer(stream.read(), np.uint8)
    start, width = layout.label_bytes, layout.label_bytes + 3 * image_size * image_size
    if len(content) % width:
        raise InputError(f"{path}: found {len(content):,} bytes, expected a multiple of {width:,}; it may be cut off")
    rows = content.reshape(-1, width)
    return {"data": rows[:, start:], layout.label_key: rows[:, start - 1]}


def _read_bundle(path: Path, num_classes: int, image_size: int) -> Images:
    with open_regular(path) as stream:
        keys, arrays = _read_npz(path, stream, _PAIRS)
    shape = (image_size, image_size, 3)
    return Images(*_checked(path, arrays, keys, shape, range(num_classes)), str(path))


def _read_npz(path: Path, stream: BinaryIO, pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], dict[Any, Any]]:
    """Return the first of some pairs of names that an .npz file has, else the first, and its arrays by name.

    Members that are not needed stay unread: they are None.
    """
    size = stream.seek(0, os.SEEK_END)
    with _reading(path, size, ".npz file"):
        stream.seek(0)
        if not b"PK".startswith(stream.read(2)):  # asked here, because NumPy's own answer is advice to load it unsafely
            raise ValueError("not a zip archive")
        if not zipfile.is_zipfile(stream):
            raise EOFError
        stream.seek(size - 22)  # where the end of an archive without a comment begins
        ends = stream.read(4) == b"PK\5\6"
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as bundle:
            names = {name.lower(): name for name in bundle.files}
            if len(names) < len(bundle.files):
                raise ValueError("has a member twice")
            if not ends or min((member.header_offset for member in bundle.zip.infolist()), default=0):
                raise ValueError("something stands before or after the zip archive")
            for keys in pairs:
                if names.keys() >= set(keys):
                    return keys, {name: bundle[member] if name in keys else None for name, member in names.items()}
            return pairs[0], dict.fromkeys(bundle.files)


def _checked(
    path: Path, arrays: dict[Any, Any], keys: tuple[str, str], shape: tuple[int, ...], label_range: range
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Take pixels (n, *shape) and labels (n,) out of a file's content, the labels as a copy.

    Images may have their channels first, and labels may be a column (n, 1).
    """
    if not set(keys) <= set(arrays):
        raise InputError(f"{path}: holds {reprlib.repr(sorted(arrays, key=str))}, expected {' and '.join(keys)}")
    pixels, labels = (arrays[key] for key in keys)
    if isinstance(pixels, np.ndarray) and len(shape) == 3 and pixels.shape[1:] == (shape[2], *shape[:2]):
        pixels = np.moveaxis(pixels, 1, -1)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
        expected = f"expected uint8 (n, {', '.join(map(str, shape))})"
        how = "" if getattr(pixels, "dtype", None) == np.uint8 else _conversion(pixels, keys[0])
        raise InputError(f"{path}: {keys[0]} is {_describe(arrays[keys[0]])}, {expected}{how}")
    if isinstance(labels, np.ndarray) and labels.shape[1:] == (1,):
        labels = labels[:, 0]
    if isinstance(labels, list) and all(isinstance(label, int | np.integer) for label in labels):
        labels = np.array(labels)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        raise InputError(f"{path}: {keys[1]} is {_describe(labels)}, expected {len(pixels)} integers, one an image")
    first, last = label_range.start, label_range.stop - 1
    if len(labels) and not first <= labels.min() <= labels.max() <= last:
        raise InputError(f"{path}: {keys[1]} are from {labels.min()} to {labels.max()}, expected {first} to {last}")
    return pixels, labels.astype(np.int64)


def _describe(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _conversion(pixels: Any, key: str) -> str:
    """Return how an array of other numbers becomes one of pixel values, as the end of a sentence."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype.kind not in "iuf" or not pixels.size:
        return ""
    low, high = pixels.min(), pixels.max()
    values = f"255 * {key}" if pixels.dtype.kind == "f" and high <= 1 else key
    how = f": convert by np.round({values}).astype(np.uint8)" if 0 <= low <= high <= 255 else ""
    return f", with values from 0 to 255; found {low:g} to {high:g}{how}"
