import os
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ({"images": np.zeros((4, 32, 32), np.uint8)}, "uint8 (4, 32, 32)"),
        ({"images": np.zeros((4, 3072), np.uint8)}, "uint8 (4, 3072)"),
        ({"labels": np.zeros((4, 10), int)}, "int64 (4, 10)"),
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


def as_binary(folder: Path, files: list[str], images: Images, *, coarse: bool) -> None:
    folder.mkdir(parents=True)
    for file, rows in zip(files, np.array_split(np.arange(len(images.labels)), len(files)), strict=True):
        labels = images.labels[rows].astype(np.uint8)[:, None]
        columns = [labels // 5, labels] if coarse else [labels]
        (folder / file).write_bytes(np.hstack([*columns, channel_rows(images.pixels[rows])]).tobytes())


def as_npz_batches(folder: Path, files: list[str], images: Images) -> None:
    folder.mkdir(parents=True)
    for file, rows in zip(files, np.array_split(np.arange(len(images.labels)), len(files)), strict=True):
        np.savez(
            folder / file, data=channel_rows(images.pixels[rows]), labels=images.labels[rows] + 1, mean=np.zeros(3)
        )


def form(root: Path, name: str) -> tuple[dict[str, Any], Images, str]:
    """Write images as they are distributed; returns the data set, the images, and what the archive is called."""
    rng = np.random.default_rng(1)
    dataset = {"cifar-10": CIFAR10, "cifar-100": CIFAR100}.get(name.rpartition("-")[0], IMAGENET)
    size, classes = dataset["image_size"], dataset["num_classes"]
    images = Images(rng.integers(0, 256, (20, size, size, 3), np.uint8), rng.integers(0, classes, 20))
    if name == "cifar-10-python":
        write_official(root / "cifar-10-batches-py", BATCH_FILES, images)
    elif name == "cifar-10-binary":
        as_binary(root / "cifar-10-batches-bin", [f"{file}.bin" for file in BATCH_FILES], images, coarse=False)
    elif name == "cifar-100-python":
        write_official(root / name, ["train"], images, label_key="fine_labels")
    elif name == "cifar-100-binary":
        as_binary(root / name, ["train.bin"], images, coarse=True)
    elif name == "Imagenet16_train":
        write_official(root / name, IMAGENET_FILES, Images(images.pixels, images.labels + 1))
    else:
        as_npz_batches(root / name, [f"{file}.npz" for file in IMAGENET_FILES], images)
    return dataset, images, name


FORMS = [
    "cifar-10-python", "cifar-10-binary", "cifar-100-python", "cifar-100-binary", "Imagenet16_train",
    "Imagenet16_train_npz",
]  # fmt: skip


def pack(folder: Path, path: Path, mode: Literal["w", "w:gz"]) -> Path:
    """Pack what is in a folder into an archive, as people do: with what else lies about."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for each in sorted(folder.iterdir()):
            (each / "readme.html").write_text("<html>")
            archive.add(each, each.name)
    return path


@pytest.mark.parametrize("name", FORMS)
def test_every_distributed_form_reads_the_same_unpacked_or_not(tmp_path: Path, name: str) -> None:
    dataset, images, archive = form(tmp_path / "unpacked", name)
    (folder,) = (tmp_path / "unpacked").iterdir()
    assert_same(load_images(tmp_path / "unpacked", **dataset), images)
    assert_same(load_images(folder, **dataset), images)
    renamed = [(".tar.gz", "w:gz"), (".TGZ", "w:gz"), (".tar", "w"), (".tar", "w:gz"), (".tar.gz", "w")]
    for number, (ending, mode) in enumerate(renamed):
        path = pack(tmp_path / "unpacked", tmp_path / f"packed{number}" / f"{archive}{ending}", mode)  # type: ignore[arg-type]
        assert_same(load_images(path, **dataset), images)
        assert_same(load_images(path.parent, **dataset), images)


def test_what_was_there_before_wins(tmp_path: Path) -> None:
    """Python batches, then a bundle, then other batches, then archives; so sweeps go on when one more is put there."""
    dataset, of_archive, name = form(tmp_path / "packed", "cifar-10-python")
    pack(tmp_path / "packed", tmp_path / "root" / f"{name}.tar.gz", "w:gz")
    assert_same(load_images(tmp_path / "root", **dataset), of_archive)
    of_binary, of_bundle, of_batches = some_images(10), some_images(11), some_images(12)
    as_binary(tmp_path / "root/cifar-10-batches-bin", [f"{each}.bin" for each in BATCH_FILES], of_binary, coarse=False)
    assert_same(load_images(tmp_path / "root", **dataset), of_binary)
    write_bundle(tmp_path / "root/cifar10.npz", of_bundle)
    assert_same(load_images(tmp_path / "root", **dataset), of_bundle)
    write_official(tmp_path / "root/cifar-10-batches-py", BATCH_FILES, of_batches)
    assert_same(load_images(tmp_path / "root", **dataset), of_batches)


def test_an_archive_without_a_batch_or_with_one_of_another_size_is_refused(tmp_path: Path) -> None:
    dataset, _, name = form(tmp_path / "unpacked", "cifar-10-binary")
    (folder,) = (tmp_path / "unpacked").iterdir()
    with (folder / "data_batch_2.bin").open("ab") as file:
        file.write(b"1234")
    assert "data_batch_2.bin: found 12,296 bytes, expected a multiple of 3,073" in refusal(folder, **dataset)
    (folder / "data_batch_2.bin").unlink()
    path = pack(tmp_path / "unpacked", tmp_path / f"{name}.tar.gz", "w:gz")
    assert f"{path}: found no data_batch_2.bin, expected 5 batch files" in refusal(path, **dataset)


@given(
    pair=st.sampled_from([("images", "labels"), ("x_train", "y_train"), ("X_train", "y_train"), ("Images", "LABELS")]),
    channels_first=st.booleans(),
    column=st.booleans(),
    kind=st.sampled_from(["u1", "<i2", ">i4", "i8", "u8"]),
    order=st.sampled_from("CF"),
)
@settings(deadline=None, max_examples=40)
def test_a_bundle_of_plain_meaning_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    *,
    pair: tuple[str, str],
    channels_first: bool,
    column: bool,
    kind: str,
    order: Literal["C", "F"],
) -> None:
    images, path = some_images(6), tmp_path_factory.mktemp("bundle") / "cifar10.npz"
    pixels = images.pixels.transpose(0, 3, 1, 2) if channels_first else images.pixels
    labels = images.labels.astype(kind)
    members: dict[str, Any] = {pair[0]: np.asarray(pixels, order=order), pair[1]: labels[:, None] if column else labels}
    np.savez(path, x_test=np.zeros(1), y_test=np.zeros(1), **members)
    found = load_images(path, **CIFAR10)
    assert_same(found, images)
    digests = {mini_batch(each, size=4, seed=0, mean=MEAN, std=STD).digest for each in (found, images)}
    assert len(digests) == 1


@given(
    kind=st.sampled_from(["f2", "f4", "f8", ">f4", "i2", "i4", "i8", "u2"]),
    unit=st.booleans(),
    channels_first=st.booleans(),
    pair=st.sampled_from([("images", "labels"), ("x_train", "y_train")]),
)
@settings(deadline=None, max_examples=40)
def test_pixels_of_other_types_are_told_the_conversion_that_makes_them_readable(
    tmp_path_factory: pytest.TempPathFactory, kind: str, unit: bool, channels_first: bool, pair: tuple[str, str]
) -> None:
    images, path = some_images(6), tmp_path_factory.mktemp("bundle") / "cifar10.npz"
    pixels = (images.pixels / 255 if unit and "f" in kind else images.pixels).astype(kind)
    pixels = pixels.transpose(0, 3, 1, 2) if channels_first else pixels
    labels: Any = images.labels
    np.savez(path, **{pair[0]: pixels, pair[1]: labels})
    message = refusal(path, **CIFAR10)
    assert f"{pair[0]} is {pixels.dtype} {pixels.shape}, expected uint8 (n, 32, 32, 3)" in message
    converted = eval(message.rpartition("convert by ")[2], {"np": np, pair[0]: pixels})
    np.savez(path, **{pair[0]: converted, pair[1]: labels})
    assert_same(load_images(path, **CIFAR10), images)


def test_normalised_pixels_are_told_their_values_and_no_conversion(tmp_path: Path) -> None:
    for number, low in enumerate((-1.5, np.nan)):
        pixels = np.linspace(low, 2, 4 * 3072).reshape(4, 32, 32, 3)
        np.savez(tmp_path / "cifar10.npz", images=pixels, labels=np.arange(4))
        message = refusal(tmp_path, **CIFAR10)
        assert message.endswith(f"with values from 0 to 255; found {['-1.5 to 2', 'nan to nan'][number]}")


@given(at=st.floats(0, 1, exclude_max=True), name=st.sampled_from(["cifar10.npz", *FORMS]), ending=st.booleans())
@settings(deadline=None, max_examples=60)
def test_half_a_download_is_said_to_be_cut_off(
    tmp_path_factory: pytest.TempPathFactory, at: float, name: str, ending: bool
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    if name.endswith(".npz"):
        dataset, path = CIFAR10, write_bundle(folder / name, some_images(6))
    else:
        dataset, *_ = form(folder / "unpacked", name)
        path = pack(folder / "unpacked", folder / f"{name}{'.tar.gz' if ending else '.tgz'}", "w:gz")
    whole = path.read_bytes()
    kept = max(3, int(at * len(whole)))
    path.write_bytes(whole[:kept])
    of = r" of 1\d\d,\d\d\d,\d\d\d" if path.name.startswith("cifar-1") and ending else ""
    assert re.fullmatch(rf"{path}: is cut off, found {kept:,}{of} bytes; download it again", refusal(path, **dataset))


@given(
    page=st.sampled_from(
        ["<!DOCTYPE html>", "<!doctype HTML PUBLIC", "<html", "<HTML lang=en>", "<?xml version='1.0'?>"]
    ),
    before=st.text(" \t\r\n", max_size=5),
    bom=st.booleans(),
    rest=st.binary(max_size=2000),
    place=st.sampled_from(
        [
            "cifar10.npz",
            "cifar-10-python.tar.gz",
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-py/data_batch_2",
            "cifar-10-batches-bin/data_batch_2.bin",
        ]
    ),
)
@settings(deadline=None, max_examples=40)
def test_a_web_page_or_a_pointer_instead_of_the_data_is_called_that(
    tmp_path_factory: pytest.TempPathFactory, *, page: str, before: str, bom: bool, rest: bytes, place: str
) -> None:
    path = tmp_path_factory.mktemp("page") / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xef\xbb\xbf" * bom + (before + page).encode() + rest)
    root = path.parent.parent if "/" in place else path.parent
    assert refusal(root, **CIFAR10) == f"{path}: is a web page instead of the file; download it again"
    size = len(rest) * 1000
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {size}\n")
    assert refusal(root, **CIFAR10) == (
        f"{path}: is a Git LFS pointer to a file of {size:,} bytes instead of the file; get it by git lfs pull"
    )


def test_what_is_there_instead_is_told_and_to_be_unpacked_if_packed(tmp_path: Path) -> None:
    for name in ("cifar-10-matlab.tar.gz", "Imagenet16_train.zip", "notes.txt", "train"):
        (tmp_path / name).touch()
    message = refusal(tmp_path, **CIFAR10)
    assert "among Imagenet16_train.zip, cifar-10-matlab.tar.gz, notes.txt, train, expected cifar10.npz" in message
    assert message.endswith("; if Imagenet16_train.zip, cifar-10-matlab.tar.gz holds them, unpack it")
    for number in range(1000):
        (tmp_path / f"{number}\n").touch()
    assert len(refusal(tmp_path, **CIFAR10)) < 800


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
