import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas_exp.errors import InputError
from nas_exp.storage.files import read_small, replacing, write_as_named

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1)


def test_a_file_appears_whole_under_its_name(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "file.txt") as temporary:
        temporary.write_text("half")
        assert not (tmp_path / "new" / "file.txt").exists()
        temporary.write_text("whole")
    assert (tmp_path / "new" / "file.txt").read_text() == "whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("old")

    def fail_halfway() -> None:
        with replacing(tmp_path / "file.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert (tmp_path / "file.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_file_that_a_user_names_may_be_a_link_a_pipe_or_a_device(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file, link, pipe, dangling = (tmp_path / name for name in ("real/a.md", "link.md", "pipe", "dangling.md"))
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    dangling.symlink_to(tmp_path / "real/new.md")
    os.mkfifo(pipe)
    for path in (link, dangling):
        write_as_named(path, "new")
        assert path.is_symlink()
        assert path.read_text() == "new"
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    read = list[str]()
    reader.start()
    write_as_named(pipe, "new")
    reader.join()
    assert read == ["new"]
    assert pipe.is_fifo()
    write_as_named(Path("/dev/null"), "new")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(IsADirectoryError):
        write_as_named(tmp_path / "real", "new")
    with pytest.raises(IsADirectoryError):
        write_as_named(Path(), "new")


@given(NAMES, st.integers(1, 60))
def test_a_file_may_have_any_name_that_the_file_system_allows(
    tmp_path_factory: pytest.TempPathFactory, name: str, times: int
) -> None:
    name *= times
    assume(name not in (".", "..") and len(name.encode()) < 256)
    file = tmp_path_factory.mktemp("names") / name
    write_as_named(file, "text")
    assert [path.name for path in file.parent.iterdir()] == [name]


def test_what_is_never_large_is_not_read_if_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    assert read_small(tmp_path / "a", at_most=4) == b"1234"
    with pytest.raises(InputError, match="has more than 3 bytes"):
        read_small(tmp_path / "a", at_most=3)
    os.truncate(tmp_path / "a", 2**40)
    with pytest.raises(InputError, match="has more than"):
        read_small(tmp_path / "a")
