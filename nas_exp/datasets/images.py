"""Training images: reading them from what people have on disk, and drawing the one mini-batch that metrics see."""

import hashlib
import os
import re
import reprlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_exp.errors import InputError, in_one_line
from nas_exp.storage import pickles
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
    """Read a data set's training images from its official batches or from an .npz bundle.

    Args:
        root: an .npz file, the folder of the official batches, or a folder that holds either. Official batches win
            over a bundle beside them.
        name: the data set. A bundle is named NAME.npz or NAME_*.npz; case, and '-' or '_', make no difference. Data
            sets other than CIFAR-10, CIFAR-100 and ImageNet16-120 have no official batches.
        num_classes: labels run from 0 to num_classes - 1; ImageNet16's further classes are left out.
        image_size: height and width in pixels.

    Raises:
        InputError: there is nothing to read, more than one bundle to choose from, or a file is not what it should be.
    """
    layout = _OFFICIAL.get(name, _Layout("", (), ""))
    root = Path(os.path.expanduser(root))  # unlike Path.expanduser it leaves the names of unknown users alone
    try:
        folders = [f for f in (root / layout.folder, root) if any((f / file).is_file() for file in layout.files)]
        if folders:
            images = _read_official(folders[0], layout, num_classes, image_size)
        else:
            images = _read_bundle(_find_bundle(root, name, layout), num_classes, image_size)
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
    """How the official distribution of a data set lies on disk."""

    folder: str
    files: tuple[str, ...]
    label_key: str
    labels: range | None = None  # None: exactly the data set's classes


_OFFICIAL = {
    "cifar10": _Layout("cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)), "labels"),
    "cifar100": _Layout("cifar-100-python", ("train",), "fine_labels"),
    # all of ImageNet in 16 by 16 pixels: ImageNet16-120 is its first 120 classes
    "imagenet16-120": _Layout(
        "ImageNet16", tuple(f"train_data_batch_{i}" for i in range(1, 11)), "labels", range(1, 1001)
    ),
}


def _read_official(folder: Path, layout: _Layout, num_classes: int, image_size: int) -> Images:
    missing = [file for file in layout.files if not (folder / file).is_file()]
    if missing:
        raise InputError(f"{folder}: found no {', '.join(missing)}, expected {len(layout.files)} batch files")
    label_range = layout.labels or range(num_classes)
    parts = []
    for path in (folder / file for file in layout.files):
        with path.open("rb") as stream:
            content = pickles.load(stream, str(path))
        if not isinstance(content, dict):
            raise InputError(f"{path}: holds {_describe(content)}, expected a dictionary")
        # the originals come from Python 2, whose str reads as str here; copies that Python 3 wrote may have bytes
        arrays = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
        pixels, labels = _checked(path, arrays, ("data", layout.label_key), (3 * image_size * image_size,), label_range)
        labels -= label_range.start
        wanted = labels < num_classes
        parts.append((pixels[wanted], labels[wanted]))
    rows = np.concatenate([pixels for pixels, _ in parts])
    channels_last = rows.reshape(-1, 3, image_size, image_size).transpose(0, 2, 3, 1)
    return Images(np.ascontiguousarray(channels_last), np.concatenate([labels for _, labels in parts]), str(folder))


def _find_bundle(root: Path, name: str, layout: _Layout) -> Path:
    pattern = re.compile(rf"{re.escape(name)}(-.*)?\.npz".replace(r"\-", "-").replace("-", "[-_]"), re.IGNORECASE)
    found = [
        path
        for path in ([root] if root.is_file() else sorted(root.iterdir()))
        if path.is_file() and pattern.fullmatch(path.name)
    ]
    if not found:
        expected = f"{name}.npz, {name}_*.npz"
        if layout.files:
            expected += f" or {layout.folder} with {' … '.join(sorted({layout.files[0], layout.files[-1]}))}"
        raise InputError(f"{root}: found no images of {name}, expected {expected}")
    if len(found) > 1:
        raise InputError(f"{root}: found {', '.join(path.name for path in found)}, expected one bundle of {name}")
    return found[0]


def _read_bundle(path: Path, num_classes: int, image_size: int) -> Images:
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):  # asked here, because NumPy's own answer is advice to load it unsafely
                raise ValueError("not a zip archive")
            stream.seek(0)
            with limited_by(path.stat().st_size), np.load(stream, allow_pickle=False) as bundle:
                # members that are not needed stay unread
                arrays = {key: bundle[key] if key in ("images", "labels") else None for key in bundle.files}
    except MemoryError:
        raise InputError(f"{path}: asks for more memory than a file of its size should need") from None
    except Exception as error:  # a damaged or hostile archive can make NumPy and zipfile raise anything
        raise InputError(f"{path}: not a readable .npz file ({in_one_line(error)})") from None
    shape = (image_size, image_size, 3)
    return Images(*_checked(path, arrays, ("images", "labels"), shape, range(num_classes)), str(path))


def _checked(
    path: Path, arrays: dict[Any, Any], keys: tuple[str, str], shape: tuple[int, ...], label_range: range
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Take pixels (n, *shape) and labels (n,) out of a file's content, the labels as a copy."""
    if not set(keys) <= set(arrays):
        raise InputError(f"{path}: holds {reprlib.repr(sorted(arrays, key=str))}, expected {' and '.join(keys)}")
    pixels, labels = (arrays[key] for key in keys)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise InputError(f"{path}: {keys[0]} is {_describe(pixels)}, expected uint8 (n, {expected})")
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
