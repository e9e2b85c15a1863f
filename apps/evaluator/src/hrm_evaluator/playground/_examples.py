"""The puzzles inside a page: the first of a test split, or new ones from the task's family."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hrm_data import IGNORE, Dataset, HRMDataError, Task, get_family, kept_cells, open_dataset
from pydantic import ValidationError

from hrm_evaluator._errors import UserError

ANY = -1
"""Takes the place of a token of a solution where nothing is asked for and nothing is shown."""


_SEED = 1729  # not that of a training set


class Example(NamedTuple):
    """A puzzle with its solution.

    Attributes:
        puzzle: Tokens `[seq_len]`.
        solution: Tokens `[seq_len]`, the puzzle's own where nothing is asked for, and -1 outside of the solution.
        identifier: Row of the puzzle table.
        kept: Positions for which nothing is asked.
    """

    puzzle: np.ndarray
    solution: np.ndarray
    identifier: int = 0
    kept: tuple[int, ...] = ()


def examples_of(data_path: Path, task: Task, known: int, count: int) -> list[Example]:
    """Read the first puzzles of a dataset's test split.

    Args:
        data_path: The dataset directory.
        task: The task of the model.
        known: Rows of the model's puzzle table. A dataset of another number of puzzles has other ones, so that its
            puzzles get the blank row 0.
        count: The most puzzles.

    Raises:
        UserError: If it has none, or they are not those of the task.
    """
    try:
        dataset = open_dataset(data_path, "test")
    except HRMDataError as error:
        raise UserError(str(error)) from error
    metadata = dataset.metadata
    for name, theirs, ours in (
        ("seq_len", metadata.seq_len, task.seq_len),
        ("vocab_size", metadata.vocab_size, task.vocab_size),
    ):
        if theirs != ours:
            raise UserError(
                f"{data_path}: {name} is {theirs}, but {ours} for {task.name}; name another with --examples"
            )
    found = list(islice(_read(dataset, task), count))
    if metadata.num_puzzle_identifiers != known:
        found = [example._replace(identifier=0) for example in found]
    if not found:
        raise UserError(f"{data_path}: its test split has no puzzles; name another dataset with --examples")
    return found


def _read(dataset: Dataset, task: Task) -> Iterator[Example]:
    ignored = dataset.metadata.ignore_label_id
    for puzzles in dataset.sets.values():
        identifiers = np.repeat(puzzles.puzzle_identifiers, np.diff(puzzles.puzzle_indices))
        for number in range(puzzles.examples):
            inputs, labels = (array[0].astype(np.int32) for array in puzzles.rows(np.array([number])))
            labels = labels if ignored is None else np.where(labels == ignored, IGNORE, labels)
            kept = kept_cells(task, inputs, labels)
            solution = np.where(kept, inputs, np.where(labels == IGNORE, ANY, labels))
            yield Example(inputs, solution, int(identifiers[number]), tuple(np.flatnonzero(kept).tolist()))


def new_examples(task: Task, kinds: Sequence[Mapping[str, Any]], count: int) -> list[Example]:
    """Let the task's family make puzzles.

    Args:
        task: The task.
        kinds: For each kind of puzzles the options that make them, as far as they differ from the family's.
        count: Number of puzzles, divided among the kinds.

    Raises:
        UserError: If it cannot make any without being told more, such as the files to read.
    """
    described: dict[str, Any] = task.to_json()
    family = get_family(described["task"])
    known = family.options.model_fields
    found: list[Example] = []
    try:
        for number, kind in enumerate(kinds):
            share = (count + number) // len(kinds)
            wanted = {**described, "train": 1, "test": share, "seed": _SEED, **kind}
            options = family.options(**{name: value for name, value in wanted.items() if name in known})
            if share:
                with tempfile.TemporaryDirectory(prefix="hrm-playground-") as folder:
                    root = family.build(Path(folder) / "made", options, lambda done, total, what: None)
                    found += examples_of(root, task, 1, share)
    except (HRMDataError, ValidationError) as error:
        raise UserError(
            f"{task.name}: no example puzzles can be made ({_reason(error)}); name a dataset with --examples"
        ) from error
    return found


def _reason(error: HRMDataError | ValidationError) -> str:
    return str(error.errors()[0]["msg"] if isinstance(error, ValidationError) else error)
