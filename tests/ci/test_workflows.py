"""Workflows run only scripts that .ci/run executes too, with no more rights than they need, on pinned actions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPT = re.compile(r"\.ci/[a-z_-]+(?:\.py)?")
ONLY_ON_GITHUB = {".ci/affected.py"}  # needs a change to compare; its own tests give it some


def jobs(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load(workflow.read_text())["jobs"].items()


def called(start: str) -> set[str]:
    """Scripts that a script calls, directly or through others."""
    found: set[str] = set()
    todo = [start]
    while todo:
        text = (ROOT / todo.pop()).read_text()
        new = {name for name in SCRIPT.findall(text) if (ROOT / name).is_file()} - found
        found |= new
        todo += sorted(new)
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_grants_nothing_by_default_and_each_job_says_what_it_needs(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {}
    for name, job in jobs(workflow):
        allowed = {"announce": {"contents": "write"}, "publish": {"id-token": "write"}}
        assert job["permissions"] == allowed.get(name, {"contents": "read"}), name
        assert job["timeout-minutes"] <= 90, name


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_scripts_exist(workflow: Path) -> None:
    text = workflow.read_text()
    for line in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    for name in SCRIPT.findall(text):
        assert (ROOT / name).is_file(), name
        assert name.endswith(".py") or (ROOT / name).stat().st_mode & 0o111, f"{name} cannot be executed"


def test_one_action_has_one_pin_everywhere() -> None:
    pins = {line for workflow in WORKFLOWS for line in re.findall(r"uses: (.*)", workflow.read_text())}
    assert len(pins) == len({pin.split("@")[0] for pin in pins})


def test_what_workflows_run_is_run_here_too() -> None:
    used = {name for workflow in WORKFLOWS for name in SCRIPT.findall(workflow.read_text())}
    assert used - ONLY_ON_GITHUB - {".ci/run"} <= called(".ci/run")


def test_platforms_and_pythons_are_those_supported() -> None:
    matrix = dict(jobs(ROOT / ".github/workflows/nightly.yml"))["test"]["strategy"]["matrix"]
    assert set(matrix["os"]) == {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_no_tracked_file_names_the_host_of_a_package_registry() -> None:
    hosts = r"(pypi|npmjs|pythonhosted|debian|golang)\.(org|com)"
    done = subprocess.run(["git", "grep", "-nIE", hosts], cwd=ROOT, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if "tests/ci/test_workflows.py" not in line]
    assert done.returncode in (0, 1)
    assert not found
