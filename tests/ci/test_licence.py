"""Every distribution brings the licence that it names."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [file.parent for pattern in ("packages", "apps") for file in (ROOT / pattern).glob("*/pyproject.toml")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_licence_of_a_distribution_is_the_workspaces(folder: Path) -> None:
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
