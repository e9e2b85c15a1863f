"""A set of augmented ARC tasks whose examples are computed on access."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from hrm_data._puzzle_set import PuzzleSet
from hrm_data._random import draw, mix
from hrm_data._split import Split
from hrm_data.arc._copies import below, colours_of, transforms_of
from hrm_data.arc._corpus import ArcCorpus, starts
from hrm_data.arc._grid import SEQ_LEN, SIDE


class ArcSet(PuzzleSet):
    """The examples of a split, a function of corpus and position alone.

    A group is a task, a puzzle a copy of it. In `train` a puzzle has the task's demonstrations, and its tests unless
    they are held out; every example but one of a puzzle, drawn at random, is moved by a random offset, input and output
    alike. In `test` a puzzle has the held-out tests, and nothing is moved; a label without answer is all padding.
    """

    def __init__(self, corpus: ArcCorpus, split: Split) -> None:
        tests = np.where(corpus.held_out, 0, corpus.tests)
        counts = corpus.demonstrations + tests if split == "train" else corpus.tests
        trained = ~corpus.held_out if corpus.strict else np.ones(len(corpus.names), bool)
        tasks = np.flatnonzero(trained if split == "train" else corpus.held_out)
        copies = corpus.copies[tasks]
        owner = np.repeat(np.arange(len(tasks)), copies)
        number = np.arange(len(owner)) - np.repeat(starts(copies)[:-1], copies)
        self._corpus, self._moved = corpus, split == "train"
        self._task = tasks[owner].astype(np.int32)
        self._copy = (corpus.first_copies[self._task] + number).astype(np.int32)
        self._first_pair = corpus.pairs[:-1] + (0 if split == "train" else corpus.demonstrations)
        super().__init__(
            cast(np.ndarray, _Half(self, 0)),
            cast(np.ndarray, _Half(self, 1)),
            self._copy + np.int32(1),
            starts(counts[self._task]),
            starts(copies),
        )

    def rows(self, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of examples `[B]`, both `[B, 900]` uint8."""
        examples = np.asarray(examples, np.int64)
        puzzle = np.searchsorted(self.puzzle_indices, examples, side="right") - 1
        number = examples - self.puzzle_indices[puzzle]
        task, copy = self._task[puzzle], self._copy[puzzle]
        code = self._corpus.codes[copy]
        transform = transforms_of(code)
        pair = self._first_pair[task] + number
        offset = self._offsets(puzzle, number, task, pair, transform)
        grids = np.stack([2 * pair, 2 * pair + 1], axis=1)
        drawn = self._corpus.pixels.draw(
            grids.ravel(), *(np.repeat(part, 2, axis=0) for part in (transform, colours_of(code), *offset))
        ).reshape(-1, 2, SEQ_LEN)
        return drawn[:, 0], drawn[:, 1]

    def group_rows(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of all examples of a group, `[N, 900]` uint8; faster than `rows`."""
        puzzles = np.arange(self.group_indices[group], self.group_indices[group + 1])
        task, code = self._task[puzzles], self._corpus.codes[self._copy[puzzles]]
        count = int(self.puzzle_indices[puzzles[0] + 1] - self.puzzle_indices[puzzles[0]])
        numbers = np.arange(count)
        puzzle, number = np.repeat(puzzles, count), np.tile(numbers, len(puzzles))
        pair = self._first_pair[task[0]] + numbers
        transform = transforms_of(code)
        offset = self._offsets(
            puzzle, number, np.repeat(task, count), np.tile(pair, len(puzzles)), np.repeat(transform, count)
        ).reshape(2, len(puzzles), count)
        inputs, labels = (
            self._corpus.pixels.draw_copies(2 * pair + half, transform, colours_of(code), *offset) for half in (0, 1)
        )
        return inputs.reshape(-1, SEQ_LEN), labels.reshape(-1, SEQ_LEN)

    def _offsets(
        self, puzzle: np.ndarray, number: np.ndarray, task: np.ndarray, pair: np.ndarray, transform: np.ndarray
    ) -> np.ndarray:
        """Row and column by which each example is moved, `[2, B]`."""
        if not self._moved:
            return np.zeros((2, len(pair)), np.int64)
        copy = (self._copy[puzzle] - self._corpus.first_copies[task]).astype(np.uint64)
        key = mix(mix(self._corpus.keys[task]) + copy)
        count = self.puzzle_indices[puzzle + 1] - self.puzzle_indices[puzzle]
        stays = below(draw(key, 1, salt=2)[:, 0], count) == number
        shapes = self._corpus.pixels.shapes
        room = SIDE - np.maximum(shapes[2 * pair], shapes[2 * pair + 1]).astype(np.int64)  # [B, 2]
        turned = np.isin(transform, (1, 3, 6, 7))
        room[turned] = room[turned, ::-1]
        offset = below(draw(mix(key + number.astype(np.uint64)), 2, salt=3), room + 1)
        offset[stays] = 0
        return offset.T


class _Half:
    """Inputs or labels of an `ArcSet`, indexed like an array `[examples, 900]` of uint8 on disk."""

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, whole: ArcSet, half: int) -> None:
        self._whole, self._half = whole, half

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), SEQ_LEN

    def __len__(self) -> int:
        return int(self._whole.puzzle_indices[-1])

    def __getitem__(self, index: Any) -> np.ndarray:
        first, rest = (index[0], index[1:]) if isinstance(index, tuple) else (index, ())
        examples = np.arange(*first.indices(len(self))) if isinstance(first, slice) else self._numbers(first)
        made = self._whole.rows(examples.reshape(-1))[self._half].reshape(*examples.shape, SEQ_LEN)
        return made[(..., *rest)] if rest else made

    def _numbers(self, index: Any) -> np.ndarray:
        """Examples `index` as numbers from 0, whether it counts from the end or is a mask."""
        index = np.asarray(index)
        numbers = np.flatnonzero(index) if index.dtype == bool else np.where(index < 0, index + len(self), index)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"index {index} is out of bounds for {len(self)} examples")
        return numbers

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)
