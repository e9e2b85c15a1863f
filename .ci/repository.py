"""The address of the repository, which stands in one place: `Repository` in the root's pyproject.toml.

uv run .ci/repository.py URL        writes another address there and into all that repeats it: the wheels' URLs, the
                                    READMEs' links and their install lines
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def address(root: Path = ROOT) -> str:
    """Return the address, without a slash at the end."""
    url: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    return url


def repeating(root: Path = ROOT) -> list[Path]:
    """Return the files that repeat the address."""
    members = ("packages/*", "apps/*")
    return [
        file for member in members for name in ("pyproject.toml", "README.md") for file in root.glob(f"{member}/{name}")
    ]


def main() -> int:
    """Replace the address; 2 and one line where the new one is no address."""
    new = sys.argv[1].removesuffix("/") if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"https://[^\s/]+/[^\s\"#]+", new):
        print(f"repository: '{new}' is no address; give one such as {address()}", file=sys.stderr)
        return 2
    old = address()
    for file in (ROOT / "pyproject.toml", *repeating()):
        file.write_text(file.read_text().replace(old, new))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
