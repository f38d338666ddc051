from pathlib import Path

import pytest

from nas_exp.storage.files import replacing


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
