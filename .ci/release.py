# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging>=24"]
# ///
"""Versions, bounds and changelogs of the distributions, and what a release needs of them.

uv run .ci/release.py check                          what has to hold at every commit
uv run .ci/release.py prepare hrm-ops 0.2.0          set the version and date the changelog's section
uv run .ci/release.py tag hrm-ops-v0.2.0             what has to hold of a tag; prints the distribution's name
uv run .ci/release.py notes hrm-ops-v0.2.0           the changelog's section of that version
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from workspace import ROOT, Distribution, dependents_of, distributions

TAG = re.compile(r"(?P<name>[a-z0-9-]+)-v(?P<version>[0-9][^-]*)")


class ReleaseError(Exception):
    """Something that keeps a distribution from being released; the message says where it is and what to do."""


def sections(changelog: Path) -> dict[str, str]:
    """Text of each section of a changelog by its heading without the date, newest first."""
    parts = re.split(r"^## (.*)$", changelog.read_text(), flags=re.MULTILINE)[1:]
    return {head.split(" - ")[0].strip(): body.strip() for head, body in zip(parts[::2], parts[1::2], strict=True)}


def next_breaking(version: Version) -> Version:
    """The first version that may break what worked with this one: 0.x counts the minor number, as SemVer lets it."""
    return Version(f"{version.major + 1}") if version.major else Version(f"0.{version.minor + 1}")


def check_changelog(item: Distribution) -> list[str]:
    """Faults of a changelog: headings, dates, order, and versions newer than the distribution's."""
    if not item.changelog.is_file():
        return [f"{item.changelog}: there is no such file; every distribution has a changelog"]
    faults = []
    headings = re.findall(r"^## (.*)$", item.changelog.read_text(), flags=re.MULTILINE)
    if headings[:1] != ["Unreleased"]:
        faults.append(f"{item.changelog}: the first section must be '## Unreleased', not {headings[:1]}")
    dated = []
    for heading in headings[1:]:
        try:
            version, day = heading.split(" - ")
            date.fromisoformat(day)
            dated.append(Version(version))
        except (ValueError, InvalidVersion):
            faults.append(f"{item.changelog}: '## {heading}' must read like '## 0.2.0 - 2026-01-31'")
    if dated != sorted(set(dated), reverse=True):
        faults.append(f"{item.changelog}: versions must stand newest first, each once: {', '.join(map(str, dated))}")
    if dated and dated[0] > item.version:
        faults.append(f"{item.changelog}: {dated[0]} is newer than version {item.version} in pyproject.toml")
    return faults


def check_bounds(item: Distribution, found: dict[str, Distribution]) -> list[str]:
    """Faults of the bounds on siblings: one that lets breaking versions in, or shuts the present one out."""
    faults = []
    for need in item.siblings:
        version = found[canonicalize_name(need.name)].version
        lower, upper = Version(f"{version.major}.{version.minor}"), next_breaking(version)
        remedy = f"write '{need.name}>={lower},<{upper}' in {item.folder / 'pyproject.toml'}"
        if not need.specifier.contains(version, prereleases=True):
            faults.append(f"{item.name} needs '{need}', but {need.name} is {version} here: {remedy}")
        elif need.specifier.contains(upper) or not bounded_below(need):
            faults.append(f"{item.name} needs '{need}', which has no bound on each side of {version}: {remedy}")
    return faults


def bounded_below(need: Requirement) -> bool:
    """Whether a requirement names an oldest version."""
    return any(part.operator in (">=", "~=", "==") for part in need.specifier)


def check(root: Path) -> list[str]:
    """Everything about versions, bounds and changelogs that has to hold at every commit, as a list of faults."""
    found = distributions(root)
    faults = []
    for item in found.values():
        if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", str(item.version)):
            faults.append(f"{item.folder / 'pyproject.toml'}: version {item.version} must read like 0.2.0 or 0.2.0rc1")
        faults += check_changelog(item) + check_bounds(item, found)
    return faults


def check_tag(tag: str, root: Path) -> Distribution:
    """The distribution that a tag releases.

    Raises:
        ReleaseError: The tag names no distribution, or another version than its pyproject.toml, or one that the
            changelog does not describe.
    """
    found = distributions(root)
    match = TAG.fullmatch(tag)
    if not match or match["name"] not in found:
        raise ReleaseError(f"tag '{tag}' must read NAME-vVERSION, where NAME is one of {', '.join(found)}")
    item = found[match["name"]]
    remedy = f"run '.ci/release.py prepare {item.name} {match['version']}', commit, and tag that commit"
    if match["version"] != str(item.version):
        where = item.folder / "pyproject.toml"
        raise ReleaseError(f"tag '{tag}' and {where} disagree: version is {item.version} there; {remedy}")
    if not sections(item.changelog).get(match["version"]):
        raise ReleaseError(f"{item.changelog} has no section '## {match['version']} - DATE' with text in it; {remedy}")
    return item


def prepare(name: str, version: str, root: Path) -> Distribution:
    """Set a distribution's version, and put what its changelog calls unreleased under that version and today's date.

    Raises:
        ReleaseError: There is no such distribution, the version is not newer than the last released one, or nothing
            is unreleased.
    """
    found = distributions(root)
    if name not in found:
        raise ReleaseError(f"'{name}' is none of {', '.join(found)}")
    item = found[name]
    released = [Version(heading) for heading in sections(item.changelog) if heading != "Unreleased"]
    if Version(version) < item.version or Version(version) in released:
        raise ReleaseError(f"{name} is at {item.version}, released as {released}; {version} must be newer")
    if not sections(item.changelog).get("Unreleased"):
        raise ReleaseError(f"{item.changelog}: nothing stands under '## Unreleased'; say there what is new")
    today = datetime.now(UTC).date().isoformat()
    text = item.changelog.read_text()
    item.changelog.write_text(text.replace("## Unreleased\n", f"## Unreleased\n\n## {version} - {today}\n", 1))
    project = item.folder / "pyproject.toml"
    line = re.compile(r'^version = ".*"$', re.MULTILINE)
    project.write_text(line.sub(f'version = "{version}"', project.read_text(), count=1))
    return distributions(root)[name]


def main() -> int:
    """Run one command; 1 and one line for each fault where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the workspace (default: this one)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    for command in ("tag", "notes"):
        commands.add_parser(command).add_argument("tag")
    preparing = commands.add_parser("prepare")
    preparing.add_argument("name")
    preparing.add_argument("version")
    given = parser.parse_args()
    try:
        if given.command == "check":
            faults = check(given.root)
            print(*(faults or ["versions, bounds and changelogs agree"]), sep="\n")
            return bool(faults)
        if given.command == "prepare":
            item = prepare(given.name, given.version, given.root)
            print(f"{item.name} is {item.version}; commit, tag {item.name}-v{item.version}, push the tag")
            for other in sorted(dependents_of(item.name, distributions(given.root))):
                print(f"{other} needs it: 'release.py check' says whether its bound has to move")
            return 0
        item = check_tag(given.tag, given.root)
        print(item.name if given.command == "tag" else sections(item.changelog)[str(item.version)])
    except (ReleaseError, InvalidVersion) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
