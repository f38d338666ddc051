"""What people have in place of an archive is told from one, with what to do."""

import bz2
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_exp.benchmarks import nats
from nas_exp.errors import InputError
from tests.topology import SIZE, str_of_index
from tests.topology import TOPOLOGY as SPACE

RECORD = pickle.dumps({"12": {}, "200": {}}, 4)
META = pickle.dumps({"meta_archs": [str_of_index(arch) for arch in range(SIZE)]}, 4)
SIMPLE = "NATS-tss-v1_0-3ffb9-simple"


def told(path: Path, store: Path) -> str:
    with pytest.raises(InputError) as caught:
        nats.import_archive(path, store, SPACE, n_jobs=1)
    message = str(caught.value)
    assert message.isprintable()
    assert str(path) in message
    return message


def archive(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(META))
    (folder / "000011.pickle.pbz2").write_bytes(bz2.compress(RECORD))
    return folder


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        file.addfile(tarfile.TarInfo(f"{SIMPLE}/meta.pickle.pbz2"))
    return stream.getvalue()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", RECORD)
    return stream.getvalue()


OF_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "NAS-Bench-201-v1_1-096897.pth": (lambda: OF_TORCH, "NAS-Bench-201's old .pth; NATS-Bench has the same"),
    "NAS-Bench-201-v1_1-096897.pth ": (zipped, "NAS-Bench-201's old .pth; NATS-Bench has the same"),
    "nas201": (lambda: OF_TORCH, "NAS-Bench-201's old .pth"),
    f"{SIMPLE}.tar": (tar, "still packed; unpack it (`tar xf`)"),
    "nats": (tar, "still packed; unpack it (`tar xf`)"),
    "NATS-tss-v1_0-3ffb9-full.taraa": (tar, "a part of the archive with the trained weights"),
    "NATS-tss-v1_0-3ffb9-full.tarad": (lambda: b"\x00" * 1000, "a part of the archive with the trained weights"),
    "NATS-tss-v1_0-3ffb9.pickle": (lambda: META, "unpacked; expected it as it was downloaded"),
    "NATS-tss-v1_0-3ffb9.pickle.pbz2": (lambda: bz2.compress(META)[:-9], "cut off after"),
    "page.pickle.pbz2": (lambda: b"\n<!DOCTYPE html><title>404", "a web page instead of the file"),
    "pointer.pickle.pbz2": (lambda: b"version https://git-lfs.github.com/spec/v1\noid", "get it by git lfs pull"),
    "empty.pickle.pbz2": (lambda: b"", "it is empty; download it again"),
    "random.pickle.pbz2": (lambda: b"\xab" * 5000, "not compressed by bzip2; expected a folder NATS-tss-…-simple"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_archive_is_told_from_one(name: str, tmp_path: Path) -> None:
    content, reason = FILES[name]
    (tmp_path / name).write_bytes(content())
    assert reason in told(tmp_path / name, tmp_path / "store")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["meta", "000011"])
def test_a_file_in_an_archive_is_told_by_its_content(name: str, place: str, tmp_path: Path) -> None:
    file = archive(tmp_path / SIMPLE) / f"{place}.pickle.pbz2"
    file.write_bytes(FILES[name][0]())
    message = told(tmp_path / SIMPLE, tmp_path / "store")
    assert message.startswith((f"{file}: not a readable pickle: ", f"{file}: is a "))


@pytest.mark.parametrize("kept", [10, 100, 0.5, -20, -1])
def test_half_a_download_is_said_to_be_cut_off(kept: float, tmp_path: Path) -> None:
    file = archive(tmp_path / SIMPLE) / "meta.pickle.pbz2"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    message = told(tmp_path / SIMPLE, tmp_path / "store")
    assert f"cut off after {file.stat().st_size:,} bytes; download it again" in message


def test_the_folder_above_an_archive_names_it(tmp_path: Path) -> None:
    above = archive(tmp_path / "above" / SIMPLE).parent
    assert told(above, tmp_path / "store").endswith(f"expected benchmark.path={above / SIMPLE}")
    archive(above / "NATS-sss-v1_0-50262-simple")
    archive(above / "NATS-tss-v1_0-3ffb9-full")
    (above / "NATS-sss-v1_0-50262.pickle.pbz2").write_bytes(b"")
    message = told(above, tmp_path / "store")
    assert "NATS-sss-v1_0-50262-simple, NATS-sss-v1_0-50262.pickle.pbz2, NATS-tss-v1_0-3ffb9-full, " in message
    assert message.endswith(f"expected benchmark.path={above / SIMPLE}")


def test_the_archive_with_weights_is_told_from_the_one_without(tmp_path: Path) -> None:
    full = archive(tmp_path / "NATS-tss-v1_0-3ffb9-full")
    assert "with the trained weights (-full)" in told(full, tmp_path / "store")
    weights = b"\x80\x04}(U\x0212}U\x0enet_state_dictctorch._utils\n_rebuild_tensor_v2\n)Rsu."
    (full / "000011.pickle.pbz2").write_bytes(bz2.compress(weights))
    message = told(full.rename(tmp_path / "weights"), tmp_path / "store")
    assert "holds trained weights, as the archives named -full do; expected a folder NATS-tss-…-simple" in message


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["meta.pickle", "000011.pickle"], "found meta.pickle in it, unpacked; expected it as it was downloaded"),
        (["notes.txt", f"{SIMPLE}.tar"], f"found {SIMPLE}.tar in it: still packed"),
        (["NATS-tss-v1_0-3ffb9-full.taraa"], "in it: a part of the archive with the trained weights"),
        (["NAS-Bench-201-v1_0-e61699.pth"], "in it: a file of torch, as NAS-Bench-201's old .pth"),
        (["000011.pickle.pbz2"], "found no meta.pickle.pbz2 in it"),
        ([], "found no meta.pickle.pbz2 in it"),
    ],
)
def test_a_folder_without_a_list_says_what_is_in_it(names: list[str], reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in names:
        (tmp_path / "folder" / name).write_bytes(b"")
    assert reason in told(tmp_path / "folder", tmp_path / "store")
