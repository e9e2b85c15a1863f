"""Checks of a whole dataset directory, beyond what opening it checks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._progress import Progress, no_progress
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._format import Dataset
from hrm_data.dataset._kept import whole_solutions
from hrm_data.dataset._loader import IGNORE
from hrm_data.dataset._read import computed_sets, open_dataset, splits_of, task_of
from hrm_data.dataset._trials import reason, trial_faults
from hrm_data.task._task import Task
from hrm_data.untrusted import quoted

_ROWS = 4096  # examples checked at a time
_MOST = 5  # examples named in one set
_SAME = ("pad_id", "ignore_label_id", "blank_identifier_id", "vocab_size", "seq_len", "num_puzzle_identifiers")


@dataclass
class Findings:
    """The result of a check: what was checked, and one sentence for each fault, with file or position.

    `unanswered` examples to test on have no label, as tasks whose solutions are secret.
    """

    splits: list[str] = field(default_factory=list)
    examples: int = 0
    solutions: bool = False
    unanswered: int = 0
    faults: list[str] = field(default_factory=list)


def find_faults(root: str | Path, task: str | None = None, progress: Progress = no_progress) -> Findings:
    """Open every split, compare them, ask the task about every solution, and try its augmentation and symmetries.

    Both are tried on some hundred examples: shapes and tokens must stay within bounds, and solutions right.

    Args:
        root: A dataset directory.
        task: The name of the task, if the directory has no `task.json`.
        progress: Told how many examples were checked.

    Raises:
        HRMDataError: The directory has no split, or `task` names no task.
    """
    root = Path(root)
    findings, opened = Findings(), []
    for split in splits_of(root):
        findings.splits.append(split)
        try:
            opened.append(open_dataset(root, split))
        except HRMDataError as error:
            findings.faults.append(str(error))
    for other in opened[1:]:
        findings.faults += _differences(opened[0], other)
    if opened and len(set(opened[0].identifiers)) < len(opened[0].identifiers):
        names, counts = np.unique(list(opened[0].identifiers), return_counts=True)
        findings.faults.append(f"{root / 'identifiers.json'}: {quoted(str(names[counts > 1][0]))} stands there twice")
    findings.faults += _missing_metadata(root)
    findings.examples = sum(dataset.examples for dataset in opened)
    done = 0
    for dataset in opened:
        try:
            found = task_of(dataset, task)
        except HRMDataError as error:
            if task is not None:
                raise
            findings.faults.append(str(error))
            continue
        findings.solutions = found is not None
        for name, item in dataset.sets.items():
            if found is not None:
                done = _check_solutions(found, dataset, name, item, progress, done, findings)
        if found is not None:
            findings.faults += trial_faults(found, dataset)
    findings.faults = list(dict.fromkeys(findings.faults))
    return findings


def _missing_metadata(root: Path) -> list[str]:
    """Return the splits without a `dataset.json`, known by their arrays or, for computed examples, by name."""
    folders = {path.parent for path in root.glob("*/*__*.npy")}
    with suppress(HRMDataError):  # opening the splits has reported it
        computed = computed_sets(root)
        folders |= {root / split for split in computed.splits} if computed else set()
    return [
        f"{folder / 'dataset.json'} does not exist; build the dataset again"
        for folder in sorted(folders)
        if not (folder / "dataset.json").exists()
    ]


def _differences(one: Dataset, other: Dataset) -> list[str]:
    pairs = [(name, getattr(one.metadata, name), getattr(other.metadata, name)) for name in _SAME]
    return [
        f"{other.root / other.split / 'dataset.json'}: {name} is {theirs}, but {ours} in {one.split}/dataset.json"
        for name, ours, theirs in pairs
        if ours != theirs
    ]


def _check_solutions(
    task: Task, dataset: Dataset, name: str, item: PuzzleSet, progress: Progress, done: int, findings: Findings
) -> int:
    """Add the wrong solutions of a set to `findings`; return how many examples are done."""
    wrong: list[int] = []
    asked: list[tuple[int, int]] = []
    for start in range(0, item.examples, _ROWS):
        examples = np.arange(start, min(start + _ROWS, item.examples))
        inputs, labels = _tokens(dataset, item, examples)
        unanswered = (labels == IGNORE).all(axis=1) & (dataset.split != "train")
        findings.unanswered += int(unanswered.sum())
        wrong += examples[~task.check_all(inputs, whole_solutions(task, inputs, labels)) & ~unanswered].tolist()
        other = np.isin(inputs, list(task.kept_tokens)) & (labels != IGNORE) & (labels != inputs)
        asked += [(int(examples[row]), int(position)) for row, position in np.argwhere(other)]
        done += len(examples)
        progress(done, findings.examples, f"solutions of {dataset.split}")
    where = f"{dataset.root / dataset.split} set {quoted(name)}"
    if asked:
        example, position = asked[0]
        findings.faults.append(
            f"{where}, example {example}: position {position} has a token that every answer keeps, but another one as "
            f"label, as have {len(asked) - 1} more; let the label be the same or ignored"
        )
    for example in wrong[:_MOST]:
        inputs, labels = _tokens(dataset, item, np.array([example]))
        why = reason(task, inputs[0], whole_solutions(task, inputs, labels)[0])
        findings.faults.append(f"{where}, example {example}: the label {why}")
    if len(wrong) > _MOST:
        more = f"{len(wrong) - _MOST} more labels are no solutions, the last at example {wrong[-1]}"
        findings.faults.append(f"{where}: {more}")
    return done


def _tokens(dataset: Dataset, item: PuzzleSet, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels of examples, both `[B, seq_len]` int32; ignored labels are -100."""
    inputs, labels = (rows.astype(np.int32) for rows in item.rows(examples))
    return inputs, np.where(labels == dataset.metadata.ignore_label_id, IGNORE, labels)
