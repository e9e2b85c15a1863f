"""A workspace of three distributions, of which one needs another, and the scripts of .ci/ run as CI runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / ".ci"
NEEDS = {"hrm-ops": [], "hrm-data": [], "hrm-model": ["hrm-ops>=0.1,<0.2"], "hrm-app": ["hrm-model[hub]>=0.1,<0.2"]}
CHANGELOG = """# Changelog

## Unreleased

- Something new.

## 0.1.0 - 2026-01-31

- The first one.
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    for name, needs in NEEDS.items():
        folder = root / ("apps" if name == "hrm-app" else "packages") / name
        folder.mkdir(parents=True)
        lines = ["[project]", f'name = "{name}"', 'version = "0.1.0"', f"dependencies = {needs}"]
        (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
        (folder / "CHANGELOG.md").write_text(CHANGELOG)
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*", "apps/*"]\n')
    return root


@pytest.fixture
def edit(workspace: Path) -> Callable[[str, str, str], None]:
    """Replace a text in a file of the workspace, in which it must stand."""

    def replace(file: str, old: str, new: str) -> None:
        text = (workspace / file).read_text()
        assert old in text
        (workspace / file).write_text(text.replace(old, new))

    return replace


@pytest.fixture
def script() -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run
