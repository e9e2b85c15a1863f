# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging>=24"]
# ///
"""Which tests a change can break: those of the distributions that it touches and of all that need these.

uv run .ci/affected.py BASE        prints the folders to give to pytest for what changed since BASE, space-separated

Changes of documentation run the workspace's own tests; whatever is not known to be harmless runs everything.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from workspace import ROOT, dependents_of, distributions

WORKSPACE = "tests"  # parity, documentation, wheels: they need every distribution
EVERYTHING = ["packages", "apps", WORKSPACE]
PROSE = ("docs/", "README.md", "CONTRIBUTING.md", "SECURITY.md")


def affected(changed: list[str], root: Path) -> list[str]:
    """Folders of tests for a list of changed files, relative to the root; no folder where nothing changed."""
    found = distributions(root)
    names: set[str] = set()
    for file in changed:
        owners = {name for name, item in found.items() if Path(file).is_relative_to(item.folder.relative_to(root))}
        if not owners and not file.startswith((*PROSE, f"{WORKSPACE}/")):
            return EVERYTHING
        names = names.union(owners, *(dependents_of(owner, found) for owner in owners))
    folders = [f"{found[name].folder.relative_to(root)}/tests" for name in found if name in names]
    return [*folders, WORKSPACE] if changed else []


def main() -> int:
    """Print what is affected; everything where git does not know the commit to compare with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("--root", type=Path, default=ROOT, help="the workspace (default: this one)")
    given = parser.parse_args()
    command = ["git", "diff", "--name-only", "--no-renames", f"{given.base}...HEAD"]
    done = subprocess.run(command, cwd=given.root, capture_output=True, text=True, check=False)
    if not given.base or done.returncode:
        print(f"no such commit: '{given.base}'; everything counts as changed", file=sys.stderr)
        print(*EVERYTHING)
    else:
        print(*affected(done.stdout.splitlines(), given.root))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
