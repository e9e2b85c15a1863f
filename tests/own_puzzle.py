"""Makes the example packages of docs/own-puzzle.md importable, as an installation would, without a network."""

import os
import tomllib
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
EXAMPLE = EXAMPLES / "hitori"
PACKAGES = sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml"))


def installed(folder: Path) -> dict[str, str]:
    """Write the packages' metadata under `folder`; the environment in which Python finds all of it."""
    for package in PACKAGES:
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        groups = (
            "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""])
            for group, points in project["entry-points"].items()
        )
        info.joinpath("entry_points.txt").write_text("\n".join(groups))
    sources = [str(package / "src") for package in PACKAGES]
    path = os.pathsep.join([*sources, str(folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
