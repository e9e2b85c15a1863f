"""Makes the example package of docs/own-puzzle.md importable, as an installation would, without a network."""

import os
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "hitori"


def installed(folder: Path) -> dict[str, str]:
    """Write the package's metadata under `folder`; the environment in which Python finds both."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
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
    path = os.pathsep.join([str(EXAMPLE / "src"), str(folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
