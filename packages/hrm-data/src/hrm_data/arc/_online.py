"""Online ARC datasets, which store only the original tasks: writing, opening and checks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, cast, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrm_data._errors import HRMDataError
from hrm_data._split import Split
from hrm_data.arc._copies import CODES
from hrm_data.arc._corpus import ArcCorpus
from hrm_data.arc._draw import Pixels
from hrm_data.arc._grid import COLOURS, SEQ_LEN, SIDE, VOCAB_SIZE
from hrm_data.arc._set import ArcSet
from hrm_data.dataset._format import load_array
from hrm_data.dataset._metadata import describe
from hrm_data.task._family import ComputedSets
from hrm_data.untrusted import parse_json, quoted, read_bytes, shortened

MOST_BYTES = 1 << 24
"""The most bytes of a `tasks.json`, whose tasks take about a hundred each."""
FOLDER = "online"
"""The directory, beside the splits, by which an online dataset is known."""

_Name = Annotated[str, Field(min_length=1)]


class OnlineTask(BaseModel):
    """One task in `online/tasks.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: _Name
    held_out: bool
    demonstrations: int = Field(ge=1, le=10**6)
    tests: int = Field(ge=1, le=10**6)
    copies: int = Field(ge=1, le=CODES)


class OnlineTasks(BaseModel):
    """`online/tasks.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int = Field(ge=0, lt=2**64)
    strict: bool = False
    tasks: tuple[OnlineTask, ...] = Field(min_length=1, strict=False)


def online_files(corpus: ArcCorpus) -> tuple[OnlineTasks, dict[str, np.ndarray]]:
    """What the directory `online` holds: `tasks.json`, and arrays by name."""
    counts = (corpus.demonstrations, corpus.tests, corpus.copies)
    tasks = tuple(
        OnlineTask(name=name, held_out=held_out, demonstrations=demonstrations, tests=tests, copies=copies)
        for name, held_out, demonstrations, tests, copies in zip(
            corpus.names, corpus.held_out.tolist(), *(count.tolist() for count in counts), strict=True
        )
    )
    arrays = {"cells": corpus.pixels.cells, "shapes": corpus.pixels.shapes, "codes": corpus.codes}
    return OnlineTasks(seed=corpus.seed, strict=corpus.strict, tasks=tasks), arrays


def open_corpus(root: Path) -> ArcCorpus | None:
    """The tasks of an online dataset; None if the directory holds examples instead.

    Raises:
        HRMDataError: A file is missing, unreadable, or disagrees with another.
    """
    folder = root / FOLDER
    if not folder.exists():
        return None
    listed = _read_tasks(folder / "tasks.json")
    arrays = {name: load_array(folder / f"{name}.npy", mapped=False) for name in ("cells", "shapes", "codes")}
    counts = {
        field: np.array([getattr(task, field) for task in listed.tasks], np.int32)
        for field in ("demonstrations", "tests", "copies")
    }
    held_out = np.array([task.held_out for task in listed.tasks])
    grids = 2 * sum(task.demonstrations + task.tests for task in listed.tasks)
    if arrays["shapes"].shape != (grids, 2):  # before arrays of so many grids are made
        raise HRMDataError(
            f"{folder / 'shapes.npy'} has shape {arrays['shapes'].shape}; the pairs in tasks.json need ({grids}, 2), "
            "build the dataset again"
        )
    _check_arrays(folder, arrays, _may_be_unknown(held_out, **counts), counts["copies"])
    return ArcCorpus(
        seed=listed.seed,
        names=tuple(task.name for task in listed.tasks),
        held_out=held_out,
        strict=listed.strict,
        pixels=Pixels(arrays["cells"].astype(np.uint8), arrays["shapes"].astype(np.uint8)),
        codes=arrays["codes"].astype(np.uint32),
        **counts,
    )


def computed_sets(root: Path) -> ComputedSets | None:
    """Return the examples of an online dataset; None if the directory stores them.

    Raises:
        HRMDataError: As `open_corpus`.
    """
    corpus = open_corpus(root)
    if corpus is None:
        return None
    return ComputedSets(
        source=root / FOLDER,
        seq_len=SEQ_LEN,
        vocab_size=VOCAB_SIZE,
        identifiers=corpus.identifiers,
        splits=get_args(Split),
        open_set=lambda split: ArcSet(corpus, cast(Split, split)),
    )


def _read_tasks(path: Path) -> OnlineTasks:
    try:
        content = read_bytes(path, MOST_BYTES)
        parse_json(content)
        listed = OnlineTasks.model_validate_json(content)
    except OSError as error:
        raise HRMDataError(f"{path} cannot be read ({error.strerror}); build the dataset again") from None
    except ValidationError as error:
        raise HRMDataError(f"{path}: {describe(error)}; build the dataset again") from None
    except ValueError as error:
        raise HRMDataError(f"{path}: not readable JSON ({shortened(error)}); build the dataset again") from None
    counts = Counter(task.name for task in listed.tasks)
    if twice := next((name for name in counts if counts[name] > 1), None):
        raise HRMDataError(f"{path} names the task {quoted(twice)} twice; build the dataset again")
    return listed


def _may_be_unknown(
    held_out: np.ndarray, demonstrations: np.ndarray, tests: np.ndarray, copies: np.ndarray
) -> np.ndarray:
    """Which grids may be 0x0: the outputs of held-out tests, whose answers may be unknown; `[grids]` bool."""
    pairs = np.repeat(np.column_stack([np.zeros_like(held_out), held_out]), np.ravel([demonstrations, tests], "F"))
    return np.column_stack([np.zeros_like(pairs), pairs]).ravel()


def _check_arrays(folder: Path, arrays: dict[str, np.ndarray], may_be_unknown: np.ndarray, copies: np.ndarray) -> None:
    """Raise `HRMDataError` unless the arrays agree with `tasks.json` and with each other."""
    shapes, cells, codes = arrays["shapes"], arrays["cells"], arrays["codes"]
    known = shapes[~may_be_unknown | shapes.any(axis=1)]
    total = int(shapes.astype(np.int64).prod(axis=1).sum())
    for name, array, size, low, high in (
        ("shapes", known, known.size, 1, SIDE),
        ("cells", cells, total, 0, COLOURS - 1),
        ("codes", codes, int(copies.sum()), 0, CODES - 1),
    ):
        path = folder / f"{name}.npy"
        if name != "shapes" and (array.ndim != 1 or array.size != size):
            raise HRMDataError(f"{path} has shape {array.shape}; expected ({size},), build the dataset again")
        if array.min() < low or array.max() > high:
            raise HRMDataError(
                f"{path} holds {array.min()}..{array.max()}; expected {low}..{high}, build the dataset again"
            )
    originals = codes[np.cumsum(copies) - copies]
    if originals.any():
        at = int(np.flatnonzero(originals)[0])
        raise HRMDataError(
            f"{folder / 'codes.npy'}: the first copy of task {at} has code {originals[at]}; it must be the original "
            "(0), build the dataset again"
        )
