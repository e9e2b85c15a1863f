"""Makes the packages of this folder importable for their tests, and `installed` has them found by name."""

import runpy
import sys
from pathlib import Path

import pytest

_HELPER = runpy.run_path(str(Path(__file__).parents[2] / "tests" / "own_puzzle.py"))
sys.path += [str(package / "src") for package in _HELPER["PACKAGES"]]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points are found, as after an installation."""
    _HELPER["installed"](tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
