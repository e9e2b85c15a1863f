"""`hrm-data verify DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from hrm_data._command_lines import VerifySettings
from hrm_data._progress import progress_bar
from hrm_data.dataset._verify import find_faults


def verify(settings: VerifySettings) -> int:
    """Print what is wrong, and return 1 if anything is."""
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
