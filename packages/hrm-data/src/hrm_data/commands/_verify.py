"""`hrm-data verify DIRECTORY`: reports every fault of a dataset directory."""

from __future__ import annotations

import sys
from pathlib import Path

from hrm_data._progress import progress_bar
from hrm_data.dataset._verify import find_faults
from hrm_data.untrusted import message


def verify_directory(root: Path, task: str | None) -> int:
    """Print the faults on stderr and return 1, or print one line and return 0 if there are none."""
    from hrm_data.terminal import console_for, say

    with progress_bar(console_for(stderr=True)) as progress:
        report = find_faults(root, task, progress)
    for fault in report.faults:
        say(message(fault), file=sys.stderr)
    if report.faults:
        say(f"hrm-data: {root}: {len(report.faults)} faults found", file=sys.stderr)
        return 1
    solutions = "every solution is right" if report.solutions else "no task says how to check its solutions"
    if report.unanswered:
        solutions += f", {report.unanswered:,} to test on have none"
    say(f"{root}: {report.examples:,} examples in {', '.join(report.splits)} are in order; {solutions}")
    return 0
