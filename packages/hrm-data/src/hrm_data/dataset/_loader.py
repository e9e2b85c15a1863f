"""Batches of a dataset: endless and shuffled for training, in order for testing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hrm_data._errors import HRMDataError
from hrm_data._puzzle_set import PuzzleSet
from hrm_data.dataset._format import Dataset
from hrm_data.dataset._metadata import DatasetMetadata
from hrm_data.dataset._plan import Plan
from hrm_data.task._task import Augment

NumpyBatch = dict[str, np.ndarray]
"""`inputs [B, L]`, `labels [B, L]` (-100 is ignored) and `puzzle_identifiers [B]`, all int32."""

IGNORE = -100
"""Label of a position that the loss ignores."""


class TrainLoader:
    """Endless batches of a training split, a function of (seed, position) alone.

    An iteration concatenates `epochs_per_iteration` shuffled passes over the groups of each set. For each group one
    puzzle is drawn and as many of its examples as still fit into the batch; the last, partial batch of an iteration is
    dropped. Where puzzles differ in size, every iteration has the number of batches that the first one packs into.
    `position` counts the batches returned: a loader made with the saved position of another continues where that one
    stopped. Reaching a position costs one iteration's shuffle, however large the position.

    Args:
        dataset: From `open_dataset`.
        batch_size: Examples in the batch of all ranks together.
        seed: Any non-negative integer.
        position: Batches already done.
        rank: This process.
        world_size: Number of processes; each gets its slice of the same global batch.
        augment: Applied to the global batch with a generator seeded by (seed, position).
        epochs_per_iteration: Passes that are concatenated; by default enough that what is dropped stays below
            2 percent.

    Raises:
        HRMDataError: A number is out of range, or the split is empty or too small for one batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int = 0,
        position: int = 0,
        rank: int = 0,
        world_size: int = 1,
        augment: Augment | None = None,
        epochs_per_iteration: int | None = None,
    ) -> None:
        _check_sizes(batch_size, rank, world_size)
        for name, value in (("seed", seed), ("position", position)):
            if value < 0:
                raise HRMDataError(f"{name} is {value}; it must not be negative")
        self.position = position
        self._dataset = dataset
        self._seed = seed
        self._slice = _rank_slice(batch_size, rank, world_size)
        self._augment = augment
        self._plan = Plan(dataset, batch_size, seed, epochs_per_iteration)

    def __iter__(self) -> Iterator[NumpyBatch]:
        """Itself: iteration goes on at `position`."""
        return self

    def __next__(self) -> NumpyBatch:
        """The batch at `position`, which then is one more."""
        batch = self.batch_at(self.position)
        self.position += 1
        return batch

    def batch_at(self, position: int) -> NumpyBatch:
        """This rank's slice of the batch at any position; `position` of the loader stays."""
        name, examples, puzzles = self._plan.examples_at(position)
        puzzle_set = self._dataset.sets[name]
        if self._augment is None:
            return _collate(puzzle_set, self._dataset.metadata, examples[self._slice], puzzles[self._slice])
        batch = _collate(puzzle_set, self._dataset.metadata, examples, puzzles)
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, 1, position])))
        inputs, labels = self._augment(batch["inputs"], batch["labels"], rng)
        shape = batch["inputs"].shape
        if inputs.shape != shape or labels.shape != shape:
            raise HRMDataError(f"augment returned shapes {inputs.shape} and {labels.shape}; expected {shape} for both")
        return {
            "inputs": np.ascontiguousarray(inputs[self._slice], dtype=np.int32),
            "labels": np.ascontiguousarray(labels[self._slice], dtype=np.int32),
            "puzzle_identifiers": batch["puzzle_identifiers"][self._slice],
        }


class TestLoader:
    """Every example of a split once, or `limit` examples spread evenly over it, set by set and in order.

    The last batch of a set is filled up with `pad_id`, label -100 and the blank identifier, so that all
    batches have one shape. Each rank gets its slice of every batch. Iterating again starts at the first batch.

    Args:
        dataset: From `open_dataset`.
        batch_size: Examples in the batch of all ranks together.
        rank: This process.
        world_size: Number of processes.
        limit: Most examples; None for all.

    Raises:
        HRMDataError: A number is out of range.
    """

    __test__ = False  # pytest: not a test class

    def __init__(
        self, dataset: Dataset, batch_size: int, *, rank: int = 0, world_size: int = 1, limit: int | None = None
    ) -> None:
        _check_sizes(batch_size, rank, world_size)
        if limit is not None and limit < 1:
            raise HRMDataError(f"limit is {limit}; it must be at least 1")
        self._dataset = dataset
        total = sum(item.examples for item in dataset.sets.values())
        chosen = evenly_spread(total, limit)
        self._chosen: dict[str, np.ndarray] = {}
        first = 0
        for name, item in dataset.sets.items():
            inside = (chosen >= first) & (chosen < first + item.examples)
            self._chosen[name] = chosen[inside] - first
            first += item.examples
        self._batch_size = batch_size
        self._slice = _rank_slice(batch_size, rank, world_size)

    def __len__(self) -> int:
        """Number of batches."""
        return sum(-(-len(chosen) // self._batch_size) for chosen in self._chosen.values())

    def __iter__(self) -> Iterator[NumpyBatch]:
        """The batches, from the first."""
        for _, batch, _ in self.by_set():
            yield batch

    def by_set(self) -> Iterator[tuple[str, NumpyBatch, int]]:
        """Triples of set name, batch, and how many examples of the global batch are real."""
        for name, item in self._dataset.sets.items():
            owner = np.repeat(np.arange(item.puzzles), np.diff(item.puzzle_indices))
            chosen = self._chosen[name]
            for start in range(0, len(chosen), self._batch_size):
                stop = min(start + self._batch_size, len(chosen))
                mine = chosen[start:stop][self._slice]
                batch = _collate(item, self._dataset.metadata, mine, owner[mine])
                size = self._slice.stop - self._slice.start
                yield name, _pad(batch, self._dataset.metadata, size), stop - start


def evenly_spread(total: int, limit: int | None = None) -> np.ndarray:
    """Return the numbers of `limit` of `total` examples, evenly spread and ascending, int64; all without a limit."""
    count = total if limit is None else min(limit, total)
    return np.arange(count) * total // max(count, 1)


def make_batch(dataset: Dataset, examples: np.ndarray) -> NumpyBatch:
    """Return examples `[B]` of a split, numbered over all of its sets, in the given order.

    Raises:
        HRMDataError: An example does not exist.
    """
    examples = np.asarray(examples, np.int64)
    if examples.size and not 0 <= examples.min() <= examples.max() < dataset.examples:
        raise HRMDataError(
            f"examples are in {examples.min()}..{examples.max()}; expected 0..{dataset.examples - 1}, as many as there "
            f"are in {dataset.root / dataset.split}"
        )
    count, length = len(examples), dataset.metadata.seq_len
    shapes = {"inputs": (count, length), "labels": (count, length), "puzzle_identifiers": (count,)}
    batch: NumpyBatch = {name: np.empty(shape, np.int32) for name, shape in shapes.items()}
    first = 0
    for item in dataset.sets.values():
        inside = (examples >= first) & (examples < first + item.examples)
        if inside.any():
            numbers = examples[inside] - first
            puzzles = np.searchsorted(item.puzzle_indices, numbers, side="right") - 1
            for name, array in _collate(item, dataset.metadata, numbers, puzzles).items():
                batch[name][inside] = array
        first += item.examples
    return batch


def _collate(item: PuzzleSet, metadata: DatasetMetadata, examples: np.ndarray, puzzles: np.ndarray) -> NumpyBatch:
    inputs, labels = (part.astype(np.int32) for part in item.rows(examples))
    if metadata.ignore_label_id is not None:
        labels[labels == metadata.ignore_label_id] = IGNORE
    return {
        "inputs": inputs,
        "labels": labels,
        "puzzle_identifiers": item.puzzle_identifiers[puzzles].astype(np.int32),
    }


def _pad(batch: NumpyBatch, metadata: DatasetMetadata, size: int) -> NumpyBatch:
    fill = {"inputs": metadata.pad_id, "labels": IGNORE, "puzzle_identifiers": metadata.blank_identifier_id}
    padded = {}
    for name, array in batch.items():
        rest = np.full((size - len(array), *array.shape[1:]), fill[name], np.int32)
        padded[name] = np.concatenate([array, rest])
    return padded


def _rank_slice(batch_size: int, rank: int, world_size: int) -> slice:
    share = batch_size // world_size
    return slice(rank * share, (rank + 1) * share)


def _check_sizes(batch_size: int, rank: int, world_size: int) -> None:
    if world_size < 1:
        raise HRMDataError(f"world_size is {world_size}; it must be at least 1")
    if not 0 <= rank < world_size:
        raise HRMDataError(f"rank is {rank}; it must be in 0..{world_size - 1} (world_size {world_size})")
    if batch_size < 1 or batch_size % world_size:
        raise HRMDataError(f"batch_size is {batch_size}; it must be a positive multiple of world_size {world_size}")
