# /// script
# requires-python = ">=3.11"
# dependencies = ["packaging>=24", "twine>=6"]
# ///
"""Built distributions say and hold what users need: uv run .ci/check_dist.py DIST [NAME].

Every distribution of the workspace (or the one named) has one sdist and one wheel in DIST; twine finds nothing wrong
with their metadata; the wheel requires siblings within the bounds of its pyproject.toml, names the repository, and
holds its modules, their types marker and the licence, and nothing else; the sdist brings the tests, README and
changelog as well.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

from packaging.requirements import Requirement
from workspace import Distribution, distributions


def check(item: Distribution, dist: Path) -> list[str]:
    """Faults of one distribution's files."""
    module, stem = item.name.replace("-", "_"), f"{item.name.replace('-', '_')}-{item.version}"
    wheel, sdist = dist / f"{stem}-py3-none-any.whl", dist / f"{stem}.tar.gz"
    if missing := [file.name for file in (wheel, sdist) if not file.is_file()]:
        return [f"{item.name}: {dist} has no {' and no '.join(missing)}"]
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = message_from_bytes(archive.read(f"{stem}.dist-info/METADATA"))
    with tarfile.open(sdist) as archive:
        source = set(archive.getnames())

    faults = []
    required = {str(Requirement(need)) for need in metadata.get_all("Requires-Dist", [])}
    for need in item.siblings:
        if not any(str(Requirement(text).specifier) == str(need.specifier) for text in required if need.name in text):
            faults.append(f"{wheel.name}: requires no '{need}'")
    for name in (f"{module}/__init__.py", f"{module}/py.typed", f"{stem}.dist-info/licenses/LICENSE"):
        if name not in names:
            faults.append(f"{wheel.name}: holds no {name}")
    if not any(url.startswith("Repository, ") for url in metadata.get_all("Project-URL", [])):
        faults.append(f"{wheel.name}: names no repository; add [project.urls] to its pyproject.toml")
    if strangers := {name for name in names if not name.startswith((f"{module}/", f"{stem}.dist-info/"))}:
        faults.append(f"{wheel.name}: holds {', '.join(sorted(strangers))}")
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "tests"):
        if not any(found.startswith(f"{stem}/{name}") for found in source):
            faults.append(f"{sdist.name}: holds no {name}")
    return faults


def main() -> int:
    """Check what stands in the folder; 1 and one line for each fault."""
    dist, *names = sys.argv[1:]
    found = [item for item in distributions().values() if not names or item.name in names]
    faults = [fault for item in found for fault in check(item, Path(dist))]
    print(*faults, sep="\n", end="\n" if faults else "")
    files = [str(file) for file in Path(dist).iterdir() if file.name.endswith((".whl", ".tar.gz"))]
    twine = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=False).returncode
    return bool(faults) or twine


if __name__ == "__main__":
    raise SystemExit(main())
