"""`hrm-data verify DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import Field

from hrm_data._arguments import parse
from hrm_data._bar import progress_bar
from hrm_data._command_show import InfoSettings
from hrm_data._verify import find_faults


class VerifySettings(InfoSettings):
    """Check everything in a dataset directory: files, shapes, tokens, indices, names, and every solution."""

    task: str | None = Field(None, description="What the puzzles are, where no task.json says it.")


def verify(words: list[str]) -> int:
    """Print what is wrong, and return 1 if anything is."""
    settings = parse(VerifySettings, words, "hrm-data verify", "hrm-data verify DIR [--task NAME]")
    root: Path = settings.directory
    from rich.console import Console

    with progress_bar(Console(stderr=True)) as progress:
        report = find_faults(root, settings.task, progress)
    for fault in report.faults:
        print(fault, file=sys.stderr)
    if report.faults:
        print(f"hrm-data: {root}: {len(report.faults)} faults found", file=sys.stderr)
        return 1
    solutions = "every solution is right" if report.solutions else "no task says how to check its solutions"
    print(f"{root}: {report.examples:,} examples in {', '.join(report.splits)} are in order; {solutions}")
    return 0
