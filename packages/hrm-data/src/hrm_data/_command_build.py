"""`hrm-data build NAME --output DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pydantic import Field, create_model

from hrm_data._arguments import CommandLine, fields_of, parse
from hrm_data._errors import HRMDataError
from hrm_data._progress import progress_bar
from hrm_data.task._registry import get_family, task_names

_USAGE = "hrm-data build NAME --output DIR [--FIELD VALUE ...]"


class BuildSettings(CommandLine):
    """Make a dataset directory."""

    output: Path = Field(description="The directory to make; it must not exist yet.")


def build(words: list[str]) -> int:
    """Make a dataset, say how far it is, and what it holds."""
    if not words or words[0] in ("-h", "--help"):
        print(_listing())
        return 0
    if words[0].startswith("-"):
        raise HRMDataError(f"{words[0]} stands where the name of a task should; write {_USAGE}")
    family = get_family(words[0])
    settings_type = cast(
        type[BuildSettings],
        create_model(
            "Settings", __base__=(family.options, BuildSettings), __doc__=f"Make a dataset directory: {family.summary}"
        ),
    )
    prog = f"hrm-data build {family.name}"
    settings = parse(settings_type, words[1:], prog, f"{prog} --output DIR [--FIELD VALUE ...]")
    root = settings.output
    if root.exists() or root.is_symlink():
        raise HRMDataError(f"--output {root}: exists already; nothing is overwritten, remove it or choose another name")
    from rich.console import Console

    options = family.options(**fields_of(family.options, settings))
    with progress_bar(Console(stderr=True)) as progress:
        made = family.build(root, options, progress)
    from hrm_data._command_show import describe_directory

    describe_directory(made)
    return 0


def _listing() -> str:
    lines = [f"usage: {_USAGE}", "", "Make a dataset directory.", "", "names:"]
    for name in task_names():
        try:
            summary = get_family(name).summary
        except HRMDataError as error:
            summary = f"cannot be used: {error}"
        lines.append(f"  {name:<10} {summary}")
    return "\n".join([*lines, "", "hrm-data build NAME --help lists what a dataset can be made from."])
