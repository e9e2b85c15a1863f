"""Files and directories are written atomically."""

from pathlib import Path

import pytest
from hrm_train import HRMTrainError, RunDirectory
from hrm_train._files import new_directory, remove_directory, remove_leftovers, write_text


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


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [".mine.tmp", "step-00000001", ".step-00000001.tmp"]
    for name in (*kept, ".step-00000001.abcd_123.tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / ".metrics.jsonl.abcd_123.tmp").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / ".link.abcd_123.tmp").symlink_to(outside)
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "outside"])


def test_a_directory_is_removed_whole(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "file").touch()
    remove_directory(tmp_path / "step")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """A file of the user's, to which somebody else's run directory points."""
    file = tmp_path / "treasure"
    file.write_text("precious")
    return file


@pytest.mark.parametrize("name", ["lock", "metrics.jsonl"])
def test_a_link_in_a_run_of_somebody_else_is_not_followed(name: str, treasure: Path, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "test", {})
    (run.path / name).symlink_to(treasure)
    said = f"{name}: is a symbolic link, which is not followed; remove it"
    with pytest.raises(HRMTrainError, match=said), run.locked():
        run.append_metrics({"step": 1})
    assert treasure.read_text() == "precious"


def test_temporary_files_are_new_ones(treasure: Path, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "test", {})
    run.append_metrics({"step": 1})
    for name in (".metrics.jsonl.tmp", ".config.json.tmp", ".curves.png.tmp"):
        (run.path / name).symlink_to(treasure)
    run.forget_metrics_after(0)
    assert treasure.read_text() == "precious"


def test_a_lock_file_keeps_its_content(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "test", {})
    (run.path / "lock").write_text("something")
    with run.locked():
        pass
    assert (run.path / "lock").read_text() == "something"
