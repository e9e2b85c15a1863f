"""Saves what a model answered, puzzle by puzzle, so that memory does not grow with the dataset."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from hrm_data import IGNORE

from hrm_evaluator._answers import Record
from hrm_evaluator._errors import UserError
from hrm_evaluator._vote import confidence


def check_new(option: str, path: Path) -> None:
    """Refuse, before anything slow starts, a file that cannot be made.

    Raises:
        UserError: If the file exists, or its directory does not.
    """
    if path.exists():
        raise UserError(f"{option} {path}: exists already; nothing is overwritten, choose another name")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: the directory {path.parent} does not exist")


def save_predictions(
    records: Iterable[Record], path: Path, puzzles: int, seq_len: int, order: Iterable[int] | None = None
) -> Iterator[Record]:
    """Write records to an ``.npz`` while they pass by; it is there when they have ended.

    It holds ``inputs``, ``labels`` (-100 where any answer will do) and ``predictions``, all ``[N, L]`` int32,
    ``puzzle_identifiers [N]`` int32, ``confidences [N]`` float32, the probability of being right that the model gives
    its answer, and ``steps [N]`` int32. Until then the arrays are in a directory beside it.

    Args:
        records: What is saved.
        path: The file.
        puzzles: How many records there are.
        seq_len: Tokens in a puzzle.
        order: The place of each record in the file; as they come where there is none.

    Raises:
        UserError: If the file exists in the end.
    """
    tokens, one = (puzzles, seq_len), (puzzles,)
    shapes = {"inputs": tokens, "labels": tokens, "predictions": tokens, "puzzle_identifiers": one, "steps": one}
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        folder = Path(scratch)
        arrays = {name: _new(folder / f"{name}.npy", np.int32, shape) for name, shape in shapes.items()}
        arrays["confidences"] = _new(folder / "confidences.npy", np.float32, one)
        for number, record in zip(range(puzzles) if order is None else order, records, strict=True):
            arrays["inputs"][number] = record.inputs
            arrays["labels"][number] = IGNORE if record.labels is None else record.labels
            arrays["predictions"][number] = record.tokens
            arrays["puzzle_identifiers"][number] = record.puzzle_identifier
            arrays["steps"][number] = record.answer.steps
            arrays["confidences"][number] = confidence(record.answer.q_halt)
            yield record
        for array in arrays.values():
            array.flush()
        _publish([folder / f"{name}.npy" for name in arrays], folder / "all.npz", path)


def _new(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, "w+", dtype, shape)


def _publish(files: Iterable[Path], archive: Path, path: Path) -> None:
    """Join files to an archive, and give it its name if that is still free."""
    with archive.open("wb") as raw:
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as joined:
            for file in files:
                with file.open("rb") as source, joined.open(file.name, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
        raw.flush()
        os.fsync(raw.fileno())
    try:
        os.link(archive, path)
    except FileExistsError:
        raise UserError(f"--save-predictions {path}: appeared meanwhile; nothing is overwritten") from None
