"""Files and directories are written atomically."""

from pathlib import Path

import pytest
from hrm_train._files import new_directory, write_text


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "new \ud800")
    assert file.read_text() == "old"
    write_text(file, "new")
    assert file.read_text() == "new"


def test_a_directory_is_whole_or_not_there(tmp_path: Path) -> None:
    def fill_half() -> None:
        with new_directory(tmp_path / "step") as temporary:
            (temporary / "half").write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fill_half()
    assert not list(tmp_path.iterdir())
    with new_directory(tmp_path / "step") as temporary:
        (temporary / "file").write_text("whole")
        assert not (tmp_path / "step").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["step"]
    with pytest.raises(FileExistsError), new_directory(tmp_path / "step"):
        pass
    assert (tmp_path / "step" / "file").read_text() == "whole"
