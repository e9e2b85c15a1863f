"""Original ARC tasks and the codes of their augmented copies: all that an online dataset stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import overload

import numpy as np

from hrm_data.arc._copies import choose, colours_of, transforms_of
from hrm_data.arc._draw import Pixels
from hrm_data.arc.reading._item import ArcItem, task_keys

BLANK = "<blank>"


@dataclass(frozen=True, eq=False)
class ArcCorpus:
    """Tasks, their pairs in one list (demonstrations before tests), and their copies in one list (originals first)."""

    seed: int
    names: tuple[str, ...]
    held_out: np.ndarray
    """`[tasks]` bool: whether the tests are for the test split."""
    strict: bool
    """Whether the demonstrations of held-out tasks are left out of the training split."""
    demonstrations: np.ndarray
    """`[tasks]` int32, how many demonstrations."""
    tests: np.ndarray
    """`[tasks]` int32, how many tests."""
    pixels: Pixels
    """The grids: of pair `p` the input `2 * p` and the output `2 * p + 1`, 0x0 where the answer is not known."""
    copies: np.ndarray
    """`[tasks]` int32, how many copies, the original included."""
    codes: np.ndarray
    """`[copies]` uint32, the augmentation of every copy."""

    @cached_property
    def pairs(self) -> np.ndarray:
        """`[tasks + 1]`, where the pairs of each task begin."""
        return starts(self.demonstrations + self.tests)

    @cached_property
    def first_copies(self) -> np.ndarray:
        """`[tasks + 1]`, where the copies of each task begin."""
        return starts(self.copies)

    @cached_property
    def keys(self) -> np.ndarray:
        """`[tasks]` uint64, the tasks' random keys."""
        return task_keys(self.seed, self.names)

    @cached_property
    def identifiers(self) -> Sequence[str]:
        """Names of all copies by identifier, `<blank>` first."""
        return _Identifiers(self)


def make_corpus(items: Sequence[ArcItem], augmentations: int, seed: int, *, strict: bool = False) -> ArcCorpus:
    """The corpus of `items` with up to `augmentations` different augmented copies of each."""
    names = tuple(item.name for item in items)
    demonstrations = np.array([len(item.demonstrations) for item in items], np.int32)
    tests = np.array([len(item.tests) for item in items], np.int32)
    grids = [grid for item in items for pair in (*item.demonstrations, *item.tests) for grid in pair]
    pixels = Pixels(np.concatenate([g.ravel() for g in grids]), np.array([g.shape for g in grids], np.uint8))
    codes = choose(pixels, starts(demonstrations + tests), task_keys(seed, names), augmentations)
    return ArcCorpus(
        seed,
        names,
        np.array([item.held_out for item in items]),
        strict,
        demonstrations,
        tests,
        pixels,
        np.array([len(task) for task in codes], np.int32),
        np.concatenate(codes),
    )


def starts(sizes: np.ndarray) -> np.ndarray:
    """Return where parts of these sizes begin, and where the last one ends, int64."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


class _Identifiers(Sequence[str]):
    """Names by identifier, made on access: a dataset has about a million."""

    def __init__(self, corpus: ArcCorpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus.codes) + 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index] - 1
        if number < 0:
            return BLANK
        task = int(np.searchsorted(self._corpus.first_copies, number, side="right")) - 1
        return self._names(task, number, number + 1)[0]

    def __iter__(self) -> Iterator[str]:
        yield BLANK
        for task, (start, stop) in enumerate(pairwise(self._corpus.first_copies.tolist())):
            yield from self._names(task, start, stop)

    def _names(self, task: int, start: int, stop: int) -> list[str]:
        codes = self._corpus.codes[start:stop]
        digits = (colours_of(codes) + ord("0")).tobytes().decode()
        name = self._corpus.names[task]
        names = [f"{name}_t{t}_{digits[10 * i : 10 * i + 10]}" for i, t in enumerate(transforms_of(codes).tolist())]
        if start == self._corpus.first_copies[task]:
            names[0] = name
        return names
