"""`hrm-data build NAME --output PATH`: makes a dataset directory."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from hrm_data._errors import HRMDataError
from hrm_data._progress import progress_bar
from hrm_data.commands._show import describe_directory
from hrm_data.dataset import claimed
from hrm_data.task._family import TaskFamily


def build_dataset(family: TaskFamily, root: Path, options: BaseModel) -> None:
    """Make a dataset of a family, show the progress on stderr, and describe the result.

    Raises:
        HRMDataError: `root` exists, or no dataset can be made from these options.
    """
    if root.exists() or root.is_symlink():
        raise HRMDataError(f"--output {root}: exists already; nothing is overwritten, remove it or choose another name")
    from hrm_data.terminal import console_for

    with claimed(root), progress_bar(console_for(stderr=True)) as progress:
        made = family.build(root, options, progress)
    describe_directory(made)
