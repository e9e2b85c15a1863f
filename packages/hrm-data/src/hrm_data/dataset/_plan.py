"""Chooses the examples of the training batch at a position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._format import Dataset

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
        self._counts = {name: self._first_count(number) for number, name in enumerate(self._sets)}
        self._iteration = lru_cache(maxsize=2)(self._make_iteration)
        if not all(self._counts.values()):
            raise HRMDataError(
                f"{where} has too few examples for one batch of {batch_size} with epochs_per_iteration "
                f"{self._epochs}; lower the batch size or raise epochs_per_iteration"
            )

    def examples_at(self, position: int) -> tuple[str, np.ndarray, np.ndarray]:
        """Set name, examples `[B]` and their puzzles `[B]` of the batch at `position`."""
        iteration, offset = divmod(position, sum(self._counts.values()))
        for part in self._iteration(iteration):
            if offset < self._counts[part.name]:
                return part.name, *self._draw(part, offset, self._rng(2, position))
            offset -= self._counts[part.name]
        raise AssertionError("an iteration holds all its batches")

    def _rng(self, purpose: int, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, purpose, *key])))

    def _first_count(self, number: int) -> int:
        """Full batches that one set yields in the first iteration, and by definition in every other.

        Where puzzles differ in size, another order may pack into a few batches more or less. A fixed number lets a
        position be reached without planning all iterations before it.
        """
        name = list(self._sets)[number]
        puzzles = self._puzzles(self._rng(3, 0, number), self._sets[name])
        return len(_batch_starts(self._sizes[name][puzzles], self._batch)) - 1

    def _puzzles(self, rng: np.random.Generator, item: PuzzleSet) -> np.ndarray:
        """One puzzle of every group, in each of the epochs that make up an iteration."""
        epochs = np.broadcast_to(np.arange(item.groups), (self._epochs, item.groups))
        groups = rng.permuted(epochs, axis=1).ravel()
        return rng.integers(item.group_indices[groups], item.group_indices[groups + 1], dtype=np.int64)

    def _make_iteration(self, iteration: int) -> tuple[_Pass, ...]:
        parts = []
        for number, (name, item) in enumerate(self._sets.items()):
            rng = self._rng(3, iteration, number)
            puzzles = self._puzzles(rng, item)
            starts = _batch_starts(self._sizes[name][puzzles], self._batch)
            while len(starts) <= self._counts[name]:
                puzzles = np.concatenate([puzzles, self._puzzles(rng, item)])
                starts = _batch_starts(self._sizes[name][puzzles], self._batch)
            parts.append(_Pass(name, puzzles, starts))
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
