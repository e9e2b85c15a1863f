"""Which examples make up the training batch at a position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._format import Dataset, PuzzleSet

_KEPT_BATCHES = 64


@dataclass(frozen=True)
class _Pass:
    """One set's part of an iteration: puzzles in the order drawn, and where each batch begins."""

    name: str
    puzzles: np.ndarray
    starts: np.ndarray


class Plan:
    """Maps a position to examples, from the seed and the sizes of puzzles and groups only."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int, epochs: int | None) -> None:
        if epochs is not None and epochs < 1:
            raise HRMDataError(f"epochs_per_iteration is {epochs}; it must be at least 1")
        self._sets = dataset.sets
        self._batch = batch_size
        self._seed = seed
        where = f"{dataset.root} ({dataset.split})"
        sizes = {name: np.diff(item.puzzle_indices.astype(np.int64)) for name, item in dataset.sets.items()}
        if not all(item.groups for item in dataset.sets.values()):
            raise HRMDataError(f"{where} has a set without groups; nothing can be drawn from it")
        smallest = min(int(size.min()) * dataset.sets[name].groups for name, size in sizes.items())
        self._epochs = epochs or max(1, -(-_KEPT_BATCHES * batch_size // smallest))
        self._sizes = sizes
        self._uniform = all(size.min() == size.max() for size in sizes.values())
        self._ends: list[int] = [0]  # batches before each iteration, as far as they have been counted
        self._iteration = lru_cache(maxsize=2)(self._make_iteration)
        if self._count(0) == 0:
            raise HRMDataError(
                f"{where} has too few examples for one batch of {batch_size} with epochs_per_iteration "
                f"{self._epochs}; lower the batch size or raise epochs_per_iteration"
            )

    def examples_at(self, position: int) -> tuple[str, np.ndarray, np.ndarray]:
        """Set name, examples `[B]` and their puzzles `[B]` of the batch at `position`."""
        iteration, offset = self._locate(position)
        for part in self._iteration(iteration):
            if offset < len(part.starts) - 1:
                rng = self._rng(2, position)
                return part.name, *self._draw(part, offset, rng)
            offset -= len(part.starts) - 1
        raise AssertionError("position lies within its iteration")

    def _locate(self, position: int) -> tuple[int, int]:
        if self._uniform:
            return divmod(position, self._count(0))
        while self._ends[-1] <= position:
            self._ends.append(self._ends[-1] + self._count(len(self._ends) - 1))
        iteration = int(np.searchsorted(self._ends, position, side="right")) - 1
        return iteration, position - self._ends[iteration]

    def _count(self, iteration: int) -> int:
        return sum(len(part.starts) - 1 for part in self._iteration(iteration))

    def _rng(self, purpose: int, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, purpose, *key])))

    def _make_iteration(self, iteration: int) -> tuple[_Pass, ...]:
        parts = []
        for number, (name, item) in enumerate(self._sets.items()):
            rng = self._rng(3, iteration, number)
            groups = np.concatenate([rng.permutation(item.groups) for _ in range(self._epochs)])
            low, high = item.group_indices[groups], item.group_indices[groups + 1]
            puzzles = rng.integers(low, high, dtype=np.int64)
            parts.append(_Pass(name, puzzles, _batch_starts(self._sizes[name][puzzles], self._batch)))
        return tuple(parts)

    def _draw(self, part: _Pass, offset: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """All examples of the batch's puzzles, shuffled within each; the last is cut to fit."""
        item: PuzzleSet = self._sets[part.name]
        puzzles = part.puzzles[part.starts[offset] : part.starts[offset + 1]]
        sizes = self._sizes[part.name][puzzles]
        owner = np.repeat(np.arange(len(puzzles)), sizes)
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        within = np.arange(len(owner)) - first
        if sizes.max() > 1:
            within = within[np.lexsort((rng.random(len(owner)), owner))]
        owner, within = owner[: self._batch], within[: self._batch]
        chosen = puzzles[owner]
        return item.puzzle_indices[chosen].astype(np.int64) + within, chosen


def _batch_starts(sizes: np.ndarray, batch: int) -> np.ndarray:
    """Where each full batch begins, and where the last one ends, in a list of puzzles of these sizes."""
    if sizes.min() == sizes.max():
        each = -(-batch // int(sizes[0]))
        return np.arange(0, len(sizes) + 1, each)
    total = np.cumsum(sizes)
    starts, done = [0], 0
    while True:
        end = int(np.searchsorted(total, done + batch)) + 1
        if end > len(sizes):
            return np.array(starts)
        starts.append(end)
        done = int(total[end - 1])
