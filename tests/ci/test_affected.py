"""A change runs the tests of what it touches and of whatever needs that, as the pyproject files say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Script = Callable[..., subprocess.CompletedProcess[str]]
MODEL, APP = "packages/hrm-model/tests", "apps/hrm-app/tests"
EVERYTHING = "packages apps tests"


def git(*arguments: str, at: Path) -> None:
    person = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, *arguments], cwd=at, check=True, capture_output=True)


@pytest.fixture
def repository(workspace: Path) -> Path:
    git("init", "-q", "-b", "main", at=workspace)
    git("add", "-A", at=workspace)
    git("commit", "-q", "-m", "Begin", at=workspace)
    git("tag", "base", at=workspace)
    return workspace


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        (["packages/hrm-ops/src/hrm_ops/new.py"], f"packages/hrm-ops/tests {MODEL} {APP} tests"),
        (["packages/hrm-model/README.md"], f"{MODEL} {APP} tests"),
        (["packages/hrm-data/tests/test_new.py"], "packages/hrm-data/tests tests"),
        (["apps/hrm-app/pyproject.toml"], f"{APP} tests"),
        (["apps/hrm-app/a.py", "packages/hrm-data/a.py"], f"packages/hrm-data/tests {APP} tests"),
        (["docs/index.md"], "tests"),
        (["tests/test_new.py"], "tests"),
        (["pyproject.toml"], EVERYTHING),
        ([".ci/run"], EVERYTHING),
        (["docs/index.md", ".github/workflows/ci.yml"], EVERYTHING),
        (["packages/unknown/a.py"], EVERYTHING),
        ([], ""),
    ],
)
def test_a_change_runs(script: Script, repository: Path, changed: list[str], runs: str) -> None:
    for name in changed:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("[project]\nname='hrm-app'\nversion='1'\n" if "apps" in name else "x = 1\n")
    if "pyproject.toml" in changed:
        (repository / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["apps/*", "packages/*"]\n')
    git("add", "-A", at=repository)
    git("commit", "-q", "--allow-empty", "-m", "Change", at=repository)
    assert script("affected.py", "base", "--root", repository).stdout.strip() == runs


def test_a_file_that_moves_away_counts_where_it_was(script: Script, repository: Path) -> None:
    git("mv", "packages/hrm-ops/CHANGELOG.md", "docs.md", at=repository)
    (repository / "docs").mkdir()
    git("mv", "docs.md", "docs/moved.md", at=repository)
    git("commit", "-q", "-m", "Move", at=repository)
    assert "packages/hrm-ops/tests" in script("affected.py", "base", "--root", repository).stdout


@pytest.mark.parametrize("base", ["", "0" * 40, "no-such-branch"])
def test_without_a_commit_to_compare_with_everything_runs(script: Script, repository: Path, base: str) -> None:
    done = script("affected.py", base, "--root", repository)
    assert (done.returncode, done.stdout.strip()) == (0, EVERYTHING)
    assert "everything counts as changed" in done.stderr


def test_the_workspace_knows_its_own_dependents(script: Script) -> None:
    done = script("affected.py", "HEAD")
    assert (done.returncode, done.stdout.strip()) == (0, "")
