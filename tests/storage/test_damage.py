from pathlib import Path

import pytest

from nas_exp.storage.damage import DamagedError, read_or_set_aside


def read(path: Path) -> str:
    if (text := path.read_text()) != "whole":
        raise DamagedError(f"{path}: damaged")
    return text


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("whole")
    assert read_or_set_aside(tmp_path / "a", read, then="never logged") == "whole"
    with pytest.raises(FileNotFoundError):
        read_or_set_aside(tmp_path / "b", read, then="never logged")


def test_a_damaged_file_is_renamed_and_one_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "a"
    for aside in ("damaged-a", "damaged-2-a"):
        file.write_text("half")
        caplog.clear()
        assert read_or_set_aside(file, read, then="read again") is None
        assert caplog.messages == [f"{file}: damaged; it is now {aside}; read again"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged-2-a", "damaged-a"]


def test_a_file_that_was_written_again_meanwhile_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").write_text("half")

    def read_too_early(path: Path) -> str:
        try:
            return read(path)
        finally:
            path.write_text("whole")  # by another process

    read_or_set_aside(tmp_path / "a", read_too_early, then="never logged")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "whole")]
    assert not caplog.messages


def test_a_file_that_another_process_has_set_aside_is_no_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def read_too_late(path: Path) -> str:
        path.unlink()  # by another process
        raise DamagedError(f"{path}: damaged")

    (tmp_path / "a").touch()
    assert read_or_set_aside(tmp_path / "a", read_too_late, then="never logged") is None
    assert not caplog.messages
