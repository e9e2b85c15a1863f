"""Versions, bounds and changelogs: what is wrong is found, named, and keeps a tag from being released."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Script = Callable[..., subprocess.CompletedProcess[str]]
Edit = Callable[[str, str, str], None]


def test_this_workspace_could_be_released(script: Script) -> None:
    done = script("release.py", "check")
    assert done.returncode == 0, done.stdout


def test_a_workspace_in_order_passes(script: Script, workspace: Path) -> None:
    assert script("release.py", "--root", workspace, "check").returncode == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("packages/hrm-model/pyproject.toml", ">=0.1,<0.2", "", "write 'hrm-ops>=0.1,<0.2'"),
        ("packages/hrm-model/pyproject.toml", ">=0.1,<0.2", ">=0.1", "no bound on each side"),
        ("packages/hrm-model/pyproject.toml", ">=0.1,<0.2", "<0.2", "no bound on each side"),
        ("packages/hrm-model/pyproject.toml", ">=0.1,<0.2", ">=0.1,<0.3", "no bound on each side"),
        ("apps/hrm-app/pyproject.toml", ">=0.1,<0.2", ">=0.2,<0.3", "but hrm-model is 0.1.0 here"),
        (
            "packages/hrm-ops/pyproject.toml",
            "0.1.0",
            "0.2.0",
            "hrm-model needs 'hrm-ops<0.2,>=0.1', but hrm-ops is 0.2.0",
        ),
        ("packages/hrm-ops/pyproject.toml", "0.1.0", "0.0.9", "0.1.0 is newer than version 0.0.9"),
        ("packages/hrm-data/pyproject.toml", "0.1.0", "0.1", "version 0.1 must read like 0.2.0"),
        ("packages/hrm-data/CHANGELOG.md", "## Unreleased", "## Next", "first section must be '## Unreleased'"),
        ("packages/hrm-data/CHANGELOG.md", "2026-01-31", "31.1.2026", "must read like '## 0.2.0 - 2026-01-31'"),
        ("packages/hrm-data/CHANGELOG.md", "## 0.1.0 -", "## first -", "must read like '## 0.2.0 - 2026-01-31'"),
        (
            "packages/hrm-data/CHANGELOG.md",
            "## 0.1.0",
            "## 0.0.1 - 2025-01-01\n\n- Old.\n\n## 0.1.0",
            "newest first, each once: 0.0.1, 0.1.0",
        ),
    ],
)
def test_a_fault_is_named_with_its_remedy(
    script: Script, workspace: Path, edit: Edit, file: str, old: str, new: str, told: str
) -> None:
    edit(file, old, new)
    done = script("release.py", "--root", workspace, "check")
    assert done.returncode == 1
    assert told in done.stdout
    assert not done.stderr


def test_a_distribution_without_a_changelog_is_named(script: Script, workspace: Path) -> None:
    (workspace / "packages/hrm-ops/CHANGELOG.md").unlink()
    done = script("release.py", "--root", workspace, "check")
    assert done.returncode == 1
    assert "hrm-ops/CHANGELOG.md: there is no such file" in done.stdout


def test_a_tag_names_its_distribution_and_its_notes(script: Script, workspace: Path) -> None:
    assert script("release.py", "--root", workspace, "tag", "hrm-ops-v0.1.0").stdout == "hrm-ops\n"
    assert script("release.py", "--root", workspace, "notes", "hrm-ops-v0.1.0").stdout == "- The first one.\n"


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("v0.1.0", "must read NAME-vVERSION, where NAME is one of hrm-data, hrm-ops, hrm-model, hrm-app"),
        ("hrm-nothing-v0.1.0", "must read NAME-vVERSION"),
        ("hrm-ops-0.1.0", "must read NAME-vVERSION"),
        ("hrm-ops-v0.2.0", "version is 0.1.0 there; run '.ci/release.py prepare hrm-ops 0.2.0'"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused_in_one_line(script: Script, workspace: Path, tag: str, told: str) -> None:
    for command in ("tag", "notes"):
        done = script("release.py", "--root", workspace, command, tag)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert told in done.stderr


@pytest.mark.parametrize("section", ["", "## 0.1.0 - 2026-01-31\n"])
def test_a_tag_without_words_in_the_changelog_is_refused(
    script: Script, workspace: Path, edit: Edit, section: str
) -> None:
    edit("packages/hrm-ops/CHANGELOG.md", "## 0.1.0 - 2026-01-31\n\n- The first one.\n", section)
    done = script("release.py", "--root", workspace, "tag", "hrm-ops-v0.1.0")
    assert done.returncode == 1
    assert "has no section '## 0.1.0 - DATE' with text in it" in done.stderr


def test_a_prepared_version_can_be_tagged_and_tells_who_has_to_follow(script: Script, workspace: Path) -> None:
    done = script("release.py", "--root", workspace, "prepare", "hrm-ops", "0.2.0")
    assert done.returncode == 0, done.stderr
    assert "hrm-app needs it" in done.stdout
    assert "hrm-model needs it" in done.stdout
    assert script("release.py", "--root", workspace, "notes", "hrm-ops-v0.2.0").stdout == "- Something new.\n"
    assert "hrm-model needs 'hrm-ops<0.2,>=0.1'" in script("release.py", "--root", workspace, "check").stdout


@pytest.mark.parametrize(
    ("name", "version", "told"),
    [
        ("hrm-ops", "0.1.0", "0.1.0 must be newer"),
        ("hrm-ops", "0.0.9", "0.0.9 must be newer"),
        ("hrm-ops", "new", "Invalid version"),
        ("ops", "0.2.0", "'ops' is none of hrm-data, hrm-ops, hrm-model, hrm-app"),
    ],
)
def test_what_cannot_be_prepared_changes_nothing(
    script: Script, workspace: Path, name: str, version: str, told: str
) -> None:
    before = {file: file.read_text() for file in workspace.rglob("*") if file.is_file()}
    done = script("release.py", "--root", workspace, "prepare", name, version)
    assert done.returncode == 1
    assert told in done.stderr
    assert {file: file.read_text() for file in workspace.rglob("*") if file.is_file()} == before


def test_nothing_new_is_nothing_to_release(script: Script, workspace: Path, edit: Edit) -> None:
    edit("packages/hrm-ops/CHANGELOG.md", "- Something new.\n", "")
    done = script("release.py", "--root", workspace, "prepare", "hrm-ops", "0.2.0")
    assert done.returncode == 1
    assert "nothing stands under '## Unreleased'" in done.stderr
