"""Recognises by the names of folders, files and keys which split ARC tasks belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SPLITS = {
    **dict.fromkeys(("training", "train"), "training"),
    **dict.fromkeys(("evaluation", "eval", "validation", "valid", "val"), "evaluation"),
    "test": "test",
}
"""The words that name splits, and the split that each one names."""
HELD_OUT = ("evaluation", "test")
"""The splits whose tasks are held out unless the user says which are."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def words(name: str) -> tuple[str, ...]:
    """The words and numbers in a name, `("arc", "evaluation", "2")` in `arcEvaluation2` and in `arc-evaluation_2`."""
    return tuple(word.lower() for word in _WORD.findall(name))


def split_of(names: Iterable[str]) -> str:
    """The split that the first of `names` with such a word tells, its last one if it has two; empty without one."""
    found = ([SPLITS[word] for word in words(name) if word in SPLITS] for name in names)
    return next((splits[-1] for splits in found if splits), "")


def is_split(name: str) -> bool:
    """Whether a name consists of one such word, with or without a number."""
    return [word for word in words(name) if not word.isdigit()] in [[word] for word in SPLITS]


def concept_of(folders: Sequence[str]) -> str:
    """The concept of ConceptARC that folders, from the outermost, name; empty if they name none."""
    return folders[-1] if len(folders) > 1 and folders[-2] == "corpus" else ""
