"""An ARC task as it was read, and a file or task that is not used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrm_data._random import item_keys

Pair = tuple[np.ndarray, np.ndarray]
"""A demonstration or test: input and output, each `[h, w]` uint8; the output of a test without answer is `[0, 0]`."""


@dataclass(frozen=True)
class ArcItem:
    """One ARC task."""

    name: str
    subset: str
    """`training`, `evaluation` or `test`, as a folder, file or key says, or a concept of ConceptARC."""
    demonstrations: tuple[Pair, ...]
    tests: tuple[Pair, ...]
    where: str
    """File and place in it, for messages."""
    held_out: bool
    """Whether its tests are for the test split."""
    file: Path
    """The file on the disk that it was read from."""
    source: int
    """Number of the source."""

    @property
    def unanswered(self) -> int:
        """How many tests have no answer."""
        return sum(not output.size for _, output in self.tests)


class Unused(NamedTuple):
    """A file, or a task in a file, that is not used."""

    what: str
    reason: str


@dataclass
class Reading:
    """What sources hold."""

    items: list[ArcItem] = field(default_factory=list)
    unused: list[Unused] = field(default_factory=list)


def task_keys(seed: int, names: Sequence[str]) -> np.ndarray:
    """Return one uint64 for each task: its random draws depend on seed and name, not on other tasks."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return item_keys(seed, np.frombuffer(b"".join(digests), np.uint64))
