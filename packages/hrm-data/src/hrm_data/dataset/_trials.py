"""Tries a task's augmentation and symmetries on examples of a dataset, as training and votes use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from hrm_data.dataset._format import Dataset
from hrm_data.dataset._kept import whole_solutions
from hrm_data.dataset._loader import IGNORE, make_batch
from hrm_data.symmetry._symmetry import Symmetry
from hrm_data.task._registry import get_family
from hrm_data.task._task import Augment, Task
from hrm_data.untrusted import shortened

_BATCH = 256  # examples of a batch
_ROUNDS = 4  # batches that each augmentation is tried on
_SYMMETRIES = 16  # symmetries that are tried
_COPIES = 64  # examples that each of them is tried on


class _TrialError(Exception):
    """What an augmentation or a symmetry does wrong."""


def trial_faults(task: Task, dataset: Dataset) -> list[str]:
    """Return one sentence for each augmentation that does something wrong, and one for the symmetries.

    Tried are the augmentation by default, that with each switch turned, and some symmetries. Types, shapes and tokens
    are checked always; solutions where the task knows the rule and the example's own solution is right.
    """
    trial = _Trial(task, dataset)
    attempts = [("a symmetry", trial.symmetries)]
    if dataset.split == "train":
        attempts += [(f"the augmentation{how}", attempt) for how, attempt in trial.augmentations()]
    faults = []
    for what, attempt in attempts if trial.rows.size else ():
        try:
            attempt()
        except _TrialError as fault:
            faults.append(f"{dataset.root / dataset.split}: {what} {fault}")
        except Exception as error:  # the code of another package may raise anything
            told = f"fails ({type(error).__name__}: {shortened(error)}); correct the task {task.name}"
            faults.append(f"{dataset.root / dataset.split}: {what} {told}")
    return faults


def reason(task: Task, puzzle: np.ndarray, answer: np.ndarray) -> str:
    """Return why a task does not accept an answer, both tokens `[seq_len]`."""
    return " and ".join(task.explain(task.decode(puzzle), task.decode(answer))) or "is not valid"


class _Trial:
    """Examples spread over a split, those without a right solution left out."""

    def __init__(self, task: Task, dataset: Dataset) -> None:
        self._task = task
        most = min(_ROUNDS * _BATCH, dataset.examples)
        self._numbers = np.arange(most) * dataset.examples // max(most, 1)
        batch = make_batch(dataset, self._numbers)
        self._inputs, self._labels = batch["inputs"], batch["labels"]
        self._whole = whole_solutions(task, self._inputs, self._labels)
        good = (self._labels != IGNORE).any(axis=1)
        if task.rule_known:
            good &= task.check_all(self._inputs, self._whole)
        self.rows = np.flatnonzero(good)

    def augmentations(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield how each augmentation differs from the default, and what tries it."""
        usual = get_family(self._task.to_json()["task"]).augmentation()
        ways = {"": usual.model_dump()}
        for name, value in usual:
            if isinstance(value, bool):
                ways[f" with {name} {'off' if value else 'on'}"] = {**usual.model_dump(), name: not value}
        for how, options in ways.items():
            yield how, partial(self._augmentation, options)

    def _augmentation(self, options: dict[str, Any]) -> None:
        augment = self._task.augment(**options)
        for number in range(_ROUNDS if augment else 0):
            chosen = self._some(number, _BATCH)
            inputs, labels = self._augmented(augment, chosen, number)
            again = self._augmented(augment, chosen, number)
            if not (np.array_equal(inputs, again[0]) and np.array_equal(labels, again[1])):
                raise _TrialError("gives other puzzles when it is repeated; it must take all randomness from its rng")
            self._check_solutions(chosen, inputs, whole_solutions(self._task, inputs, labels))

    def _augmented(self, augment: Augment | None, chosen: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        assert augment is not None
        before = self._inputs[chosen], self._labels[chosen]
        inputs, labels = augment(*before, np.random.default_rng(seed))
        shape = before[0].shape
        return self._checked("inputs", inputs, shape), self._checked("labels", labels, shape, ignore=True)

    def symmetries(self) -> None:
        """Try the first symmetries, and that each can be undone."""
        task, rng = self._task, np.random.default_rng(0)
        for number, symmetry in enumerate(islice(task.symmetries(rng), _SYMMETRIES)):
            chosen = self._some(number, _COPIES)
            inputs, whole = (self._copied(symmetry, part, chosen) for part in (self._inputs, self._whole))
            self._check_solutions(chosen, inputs, whole)
            answers = rng.integers(task.vocab_size, size=inputs.shape, dtype=np.int32)  # a model may answer anything
            self._checked("undone tokens", symmetry.undo(answers), answers.shape)

    def _copied(self, symmetry: Symmetry, tokens: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        tokens = tokens[chosen]
        made = self._checked("tokens", symmetry.apply(tokens.copy()), tokens.shape)
        undone = self._checked("undone tokens", symmetry.undo(made.copy()), tokens.shape)
        for example, old, new in zip(chosen, tokens, undone, strict=True):
            if not np.array_equal(self._task.decode(old), self._task.decode(new)):
                raise _TrialError(
                    f"of example {self._numbers[example]} is not undone: {self._text(old)} becomes {self._text(new)}; "
                    f"correct the task {self._task.name}"
                )
        return made

    def _some(self, number: int, count: int) -> np.ndarray:
        """Return `count` examples, others for each number if there are enough."""
        return self.rows[(number * count + np.arange(count)) % len(self.rows)]

    def _checked(self, name: str, made: object, shape: tuple[int, ...], *, ignore: bool = False) -> np.ndarray:
        """Return what was made if it is an array of tokens."""
        if not isinstance(made, np.ndarray) or made.dtype.kind not in "iu":
            kind = f"an array of {made.dtype}" if isinstance(made, np.ndarray) else type(made).__name__
            raise _TrialError(f"returns {name} that are {kind}; expected an array of int32")
        if made.shape != shape:
            raise _TrialError(f"returns {name} of shape {made.shape}; expected {shape}")
        wrong = (made < 0) | (made >= self._task.vocab_size)
        if ignore:
            wrong &= made != IGNORE
        if wrong.any():
            also = f", or {IGNORE} where nothing is asked for" if ignore else ""
            raise _TrialError(f"returns {name} with {made[wrong][0]}; tokens are 0..{self._task.vocab_size - 1}{also}")
        return made

    def _check_solutions(self, chosen: np.ndarray, inputs: np.ndarray, whole: np.ndarray) -> None:
        if not self._task.rule_known:
            return
        wrong = np.flatnonzero(~self._task.check_all(inputs, whole))
        if wrong.size:
            puzzle, answer = inputs[wrong[0]], whole[wrong[0]]
            raise _TrialError(
                f"turns example {self._numbers[chosen[wrong[0]]]} into the puzzle {self._text(puzzle)}, whose label "
                f"{self._text(answer)} {reason(self._task, puzzle, answer)}; correct the task {self._task.name}"
            )

    def _text(self, tokens: np.ndarray) -> str:
        return shortened(self._task.text(self._task.decode(tokens)))
