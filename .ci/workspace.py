# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging>=24"]
# ///
"""What the pyproject files say of the workspace: its distributions, their versions, and who needs whom.

uv run .ci/workspace.py        prints name and version of all distributions, siblings before those that need them
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Distribution:
    """One separately released distribution; ``siblings`` are its requirements inside the workspace, extras included."""

    name: str
    folder: Path
    version: Version
    siblings: tuple[Requirement, ...]

    @property
    def changelog(self) -> Path:
        """The file in which users read what is new."""
        return self.folder / "CHANGELOG.md"


def distributions(root: Path = ROOT) -> dict[str, Distribution]:
    """Read every member of the workspace, in the order in which they can be released: siblings first."""
    members = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    folders = sorted(file.parent for pattern in members for file in root.glob(f"{pattern}/pyproject.toml"))
    projects = {folder: tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in folders}
    names = {canonicalize_name(project["name"]) for project in projects.values()}

    found: dict[str, Distribution] = {}
    for folder, project in projects.items():
        extras = project.get("optional-dependencies", {}).values()
        needs = map(Requirement, chain(project.get("dependencies", []), *extras))
        siblings = tuple(need for need in needs if canonicalize_name(need.name) in names)
        name = str(canonicalize_name(project["name"]))
        found[name] = Distribution(name, folder, Version(project["version"]), siblings)
    return {name: found[name] for name in sorted(found, key=lambda name: (len(needs_of(name, found)), name))}


def needs_of(name: str, found: dict[str, Distribution]) -> set[str]:
    """Names of all siblings that a distribution needs, directly or through others."""
    direct = {canonicalize_name(need.name) for need in found[name].siblings}
    return direct.union(*(needs_of(other, found) for other in direct))


def dependents_of(name: str, found: dict[str, Distribution]) -> set[str]:
    """Names of all siblings that need a distribution, directly or through others."""
    return {other for other in found if name in needs_of(other, found)}


if __name__ == "__main__":
    print(*(f"{item.name} {item.version}" for item in distributions().values()), sep="\n")
