import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nas_exp.datasets.images import Images, load_images, mini_batch
from nas_exp.errors import InputError

CIFAR10: dict[str, Any] = {"name": "cifar10", "num_classes": 10, "image_size": 32}
CIFAR100: dict[str, Any] = {"name": "cifar100", "num_classes": 100, "image_size": 32}
IMAGENET: dict[str, Any] = {"name": "imagenet16-120", "num_classes": 120, "image_size": 16}
MEAN, STD = [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]

BATCH_FILES = [f"data_batch_{i}" for i in range(1, 6)]
IMAGENET_FILES = [f"train_data_batch_{i}" for i in range(1, 11)]


def some_images(n: int, *, size: int = 32, classes: int = 10) -> Images:
    rng = np.random.default_rng(7)
    return Images(rng.integers(0, 256, (n, size, size, 3), np.uint8), rng.integers(0, classes, n))


def channel_rows(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def python3_str_keys(content: dict[str, Any]) -> bytes:
    return pickle.dumps(content, protocol=2)


def python3_bytes_keys(content: dict[str, Any]) -> bytes:
    return pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2)


def python2(content: dict[str, Any]) -> bytes:
    """Write byte strings as Python 2 did: every str as SHORT_BINSTRING, array bytes as BINSTRING."""
    chunks = [b"\x80\x02}("]
    for key, value in content.items():
        chunks.append(b"U" + bytes([len(key)]) + key.encode())
        if isinstance(value, np.ndarray):
            n, width = value.shape
            chunks.append(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R")
            chunks.append(b"(K\x01J" + n.to_bytes(4, "little") + b"J" + width.to_bytes(4, "little") + b"\x86")
            chunks.append(
                b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            )
            chunks.append(b"\x89T" + value.nbytes.to_bytes(4, "little") + value.tobytes() + b"tb")
        else:
            chunks.append(pickle.dumps(value, protocol=2)[2:-1])
    return b"".join([*chunks, b"u."])


WRITERS = [python3_str_keys, python3_bytes_keys, python2]
Writer = Callable[[dict[str, Any]], bytes]


def write_official(
    folder: Path, files: list[str], images: Images, *, label_key: str = "labels", write: Writer = python3_bytes_keys
) -> Path:
    folder.mkdir(parents=True)
    for file, rows in zip(files, np.array_split(np.arange(len(images.labels)), len(files)), strict=True):
        content = {"data": channel_rows(images.pixels[rows]), label_key: images.labels[rows].tolist()}
        (folder / file).write_bytes(write(content))
    return folder


def write_bundle(path: Path, images: Images) -> Path:
    np.savez(path, images=images.pixels, labels=images.labels)
    return path


def assert_same(found: Images, expected: Images) -> None:
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.pixels.dtype == np.uint8
    assert found.labels.dtype == np.int64


def refusal(root: Path, **dataset: Any) -> str:
    """Return the one line with which reading `root` is refused."""
    with pytest.raises(InputError) as caught:
        load_images(root, **dataset)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("dataset", "n"), [(CIFAR10, 5000), (CIFAR100, 5000), (IMAGENET, 347)], ids=str)
def test_real_bundles_are_found_in_their_folder(test_data: Path, dataset: dict[str, Any], n: int) -> None:
    images = load_images(test_data / "images", **dataset)
    assert images.pixels.shape == (n, dataset["image_size"], dataset["image_size"], 3)
    assert set(images.labels) == set(range(dataset["num_classes"]))


def test_real_images_read_the_same_from_official_batches(test_data: Path, tmp_path: Path) -> None:
    images = load_images(test_data / "images" / "cifar10_train5000.npz", **CIFAR10)
    write_official(tmp_path / "cifar-10-batches-py", BATCH_FILES, images)
    assert_same(load_images(tmp_path, **CIFAR10), images)


@pytest.mark.parametrize("write", WRITERS)
def test_cifar10_batches_equal_the_bundle_whoever_pickled_them(tmp_path: Path, write: Writer) -> None:
    images = some_images(12)
    folder = write_official(tmp_path / "official" / "cifar-10-batches-py", BATCH_FILES, images, write=write)
    bundle = load_images(write_bundle(tmp_path / "cifar10.npz", images), **CIFAR10)
    assert_same(bundle, images)
    assert_same(load_images(folder, **CIFAR10), bundle)
    assert_same(load_images(folder.parent, **CIFAR10), bundle)


@pytest.mark.parametrize("write", WRITERS)
def test_cifar100_takes_the_fine_labels(tmp_path: Path, write: Writer) -> None:
    images = some_images(9, classes=100)
    write_official(tmp_path / "cifar-100-python", ["train"], images, label_key="fine_labels", write=write)
    assert_same(load_images(tmp_path, **CIFAR100), images)


@pytest.mark.parametrize("folder", ["ImageNet16", "."])
@pytest.mark.parametrize("write", WRITERS)
def test_imagenet16_keeps_the_first_120_classes_only(tmp_path: Path, write: Writer, folder: str) -> None:
    images = some_images(40, size=16)
    labels = np.resize([1, 120, 121, 1000], 40)
    write_official(tmp_path / "root" / folder, IMAGENET_FILES, Images(images.pixels, labels), write=write)
    kept = labels <= 120
    assert_same(load_images(tmp_path / "root", **IMAGENET), Images(images.pixels[kept], labels[kept] - 1))


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("CIFAR10.npz", CIFAR10),
        ("cifar10-small.NPZ", CIFAR10),
        ("imagenet16-120.npz", IMAGENET),
        ("ImageNet16_120_all.npz", IMAGENET),
    ],
)
def test_bundle_names_ignore_case_and_kind_of_dash(tmp_path: Path, file: str, dataset: dict[str, Any]) -> None:
    images = some_images(3, size=dataset["image_size"])
    with (tmp_path / file).open("wb") as stream:
        np.savez_compressed(stream, images=images.pixels, labels=images.labels, class_names=np.array(["a"]))
    assert_same(load_images(tmp_path, **dataset), images)
    assert_same(load_images(tmp_path / file, **dataset), images)


def test_cifar10_never_reads_a_bundle_of_cifar100(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "cifar100_few.npz", some_images(3))
    assert "cifar10_*.npz" in refusal(tmp_path, **CIFAR10)
    assert str(bundle) in refusal(bundle, **CIFAR10)


def test_official_batches_win_over_a_bundle(tmp_path: Path) -> None:
    images = some_images(10)
    write_bundle(tmp_path / "cifar10.npz", some_images(3))
    write_official(tmp_path / "cifar-10-batches-py", BATCH_FILES, images)
    assert_same(load_images(tmp_path, **CIFAR10), images)


def test_members_that_are_not_needed_stay_unread(tmp_path: Path) -> None:
    images = some_images(3)
    objects = np.array([{"any": "object"}], dtype=object)
    np.savez(tmp_path / "cifar10.npz", images=images.pixels, labels=images.labels, objects=objects)
    assert_same(load_images(tmp_path, **CIFAR10), images)


def test_an_empty_or_missing_folder_is_told_what_would_do(tmp_path: Path) -> None:
    message = refusal(tmp_path, **CIFAR10)
    for part in (str(tmp_path), "cifar10.npz", "cifar10_*.npz", "cifar-10-batches-py", "data_batch_1", "data_batch_5"):
        assert part in message
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere", **CIFAR10)


def test_two_bundles_are_refused_by_name(tmp_path: Path) -> None:
    for file in ("cifar10_a.npz", "cifar10_b.npz"):
        write_bundle(tmp_path / file, some_images(3))
    message = refusal(tmp_path, **CIFAR10)
    assert "cifar10_a.npz" in message
    assert "cifar10_b.npz" in message


def test_an_unknown_data_set_is_refused(tmp_path: Path) -> None:
    assert "mnist" in refusal(tmp_path, name="mnist", num_classes=10, image_size=28)


GOOD: dict[str, npt.NDArray[Any]] = {"images": np.zeros((4, 32, 32, 3), np.uint8), "labels": np.arange(4)}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"images": GOOD["images"].astype(np.float32)}, "float32 (4, 32, 32, 3)"),
        ({"images": np.zeros((4, 3, 32, 32), np.uint8)}, "uint8 (4, 3, 32, 32)"),
        ({"images": np.zeros((), np.uint8)}, "uint8 ()"),
        ({"labels": np.arange(3)}, "int64 (3,)"),
        ({"labels": np.arange(4.0)}, "float64 (4,)"),
        ({"labels": np.array([0, 1, 2, 10])}, "from 0 to 10"),
        ({"labels": np.array([-1, 1, 2, 3])}, "from -1 to 3"),
        ({"labels": np.array([None] * 4)}, "Object arrays"),
        ({"images": GOOD["images"][:0], "labels": np.arange(0)}, "no image"),
    ],
)
def test_a_bundle_of_anything_else_is_refused(tmp_path: Path, change: dict[str, Any], found: str) -> None:
    np.savez(tmp_path / "cifar10.npz", **(GOOD | change))
    message = refusal(tmp_path, **CIFAR10)
    assert str(tmp_path / "cifar10.npz") in message
    assert found in message


def test_a_bundle_without_its_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10.npz", x=GOOD["images"], y=GOOD["labels"])
    assert "cifar10.npz: holds ['x', 'y'], expected images and labels" in refusal(tmp_path, **CIFAR10)


def test_a_truncated_or_foreign_bundle_is_refused(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "cifar10.npz", some_images(3))
    whole = path.read_bytes()
    plain_array = tmp_path / "plain.npy"
    np.save(plain_array, GOOD["images"])
    flipped = bytearray(whole)
    flipped[5000] ^= 1
    for damaged in (b"", whole[:1000], whole[:-10], b"no zip\nat all", plain_array.read_bytes(), bytes(flipped)):
        path.write_bytes(damaged)
        assert str(path) in refusal(tmp_path, **CIFAR10)


def test_missing_batches_are_named(tmp_path: Path) -> None:
    folder = write_official(tmp_path / "cifar-10-batches-py", BATCH_FILES, some_images(10))
    (folder / "data_batch_2").unlink()
    (folder / "data_batch_4").unlink()
    message = refusal(tmp_path, **CIFAR10)
    assert str(folder) in message
    assert "data_batch_2, data_batch_4" in message


ROWS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"data": ROWS, "fine_labels": [0, 1]}, "'fine_labels'"),
        ({"data": ROWS[:, :768], "labels": [0, 1]}, "uint8 (2, 768)"),
        ({"data": ROWS.astype(int), "labels": [0, 1]}, "int64 (2, 3072)"),
        ({"data": [0], "labels": [0, 1]}, "a list"),
        ({"data": ROWS, "labels": [0]}, "int64 (1,)"),
        ({"data": ROWS, "labels": [0, [1]]}, "a list"),
        ({"data": ROWS, "labels": [0, 2**70]}, "object (2,)"),
        ({"data": ROWS, "labels": [0, 10]}, "from 0 to 10"),
        ([ROWS], "a list"),
    ],
)
def test_a_batch_of_anything_else_is_refused(tmp_path: Path, content: Any, found: str) -> None:
    path = write_official(tmp_path / "cifar-10-batches-py", BATCH_FILES, some_images(10)) / "data_batch_3"
    path.write_bytes(pickle.dumps(content, protocol=2))
    message = refusal(tmp_path, **CIFAR10)
    assert str(path) in message
    assert found in message


def test_imagenet16_labels_count_from_one(tmp_path: Path) -> None:
    images = some_images(20, size=16)
    folder = write_official(tmp_path / "ImageNet16", IMAGENET_FILES, Images(images.pixels, np.arange(20)))
    assert f"{folder / 'train_data_batch_1'}: labels are from 0 to 1" in refusal(tmp_path, **IMAGENET)


def test_imagenet16_without_any_of_the_120_classes_is_refused(tmp_path: Path) -> None:
    images = some_images(10, size=16)
    folder = write_official(tmp_path / "ImageNet16", IMAGENET_FILES, Images(images.pixels, np.full(10, 121)))
    assert str(folder) in refusal(tmp_path, **IMAGENET)


class Hostile:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.canary),)


def test_a_hostile_batch_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = write_official(tmp_path / "cifar-10-batches-py", BATCH_FILES, some_images(10)) / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": Hostile(canary), "labels": []}, protocol=2))
    assert str(path) in refusal(tmp_path, **CIFAR10)
    assert not canary.exists()


def test_a_hostile_bundle_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "cifar10.npz"
    path.write_bytes(pickle.dumps(Hostile(canary)))
    assert str(path) in refusal(tmp_path, **CIFAR10)
    np.savez(path, images=np.array([Hostile(canary)], dtype=object), labels=np.arange(1))
    assert str(path) in refusal(tmp_path, **CIFAR10)
    assert not canary.exists()


def test_the_same_seed_draws_the_same_batch_and_another_seed_another() -> None:
    images = some_images(200)
    first, again, other = (mini_batch(images, size=64, seed=seed, mean=MEAN, std=STD) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert not np.array_equal(first.labels, other.labels)


def test_a_batch_times_std_plus_mean_is_the_original_images_each_at_most_once() -> None:
    images = some_images(100)
    batch = mini_batch(images, size=100, seed=3, mean=MEAN, std=STD)
    assert batch.images.dtype == np.float32
    assert batch.images.shape == (100, 3, 32, 32)
    pixels = batch.images.transpose(0, 2, 3, 1) * STD + MEAN
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-4)
    position = {image.tobytes(): i for i, image in enumerate(images.pixels)}
    drawn = [position[image.tobytes()] for image in pixels.round().astype(np.uint8)]
    assert sorted(drawn) == list(range(100))
    assert drawn != sorted(drawn)
    np.testing.assert_array_equal(batch.labels, images.labels[drawn])


def test_the_digest_changes_with_one_pixel_or_one_label() -> None:
    images = some_images(8)
    pixels, labels = images.pixels.copy(), images.labels.copy()
    pixels[5, 0, 0, 0] ^= 1
    labels[2] += 1
    variants = [images, Images(pixels, images.labels), Images(images.pixels, labels)]
    digests = {mini_batch(variant, size=8, seed=0, mean=MEAN, std=STD).digest for variant in variants}
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {16}


def test_the_digest_does_not_depend_on_the_normalisation_or_on_the_platform() -> None:
    batch = mini_batch(some_images(8), size=4, seed=0, mean=[0.0] * 3, std=[1.0] * 3)
    assert batch.digest == mini_batch(some_images(8), size=4, seed=0, mean=MEAN, std=STD).digest
    assert batch.digest == "d9e9b4f7995c8bd1"  # score tables are found by it: a change orphans them


def test_too_few_images_for_a_batch_are_refused_by_file(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "cifar10.npz", some_images(5))
    with pytest.raises(InputError, match=r"cifar10\.npz: holds 5 images, expected 6") as caught:
        mini_batch(load_images(path, **CIFAR10), size=6, seed=0, mean=MEAN, std=STD)
    assert "\n" not in str(caught.value)
