"""The file of `--save-predictions`: written puzzle by puzzle, so that memory does not grow with the dataset."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from hrm_data import IGNORE

from hrm_evaluator._output import publish_new
from hrm_evaluator.answers._records import Record


def save_predictions(
    records: Iterable[Record], path: Path, puzzles: int, seq_len: int, order: Iterable[int] | None = None
) -> Iterator[Record]:
    """Pass records on and write them to an `.npz`, which appears when the records end.

    The file holds `inputs`, `labels` (-100 where nothing is asked for) and `predictions`, all `[N, L]` int32,
    `puzzle_identifiers [N]` int32, `confidences [N]` float32, the model's probability that its answer is right, and
    `steps [N]` int32. Until the end the arrays are in a temporary directory beside the file.

    Args:
        records: The records to save.
        path: The new file.
        puzzles: Number of records.
        seq_len: Tokens in a puzzle.
        order: Row of each record in the file; the order of the records when left out.

    Raises:
        UserError: If the file exists in the end.
    """
    tokens, one = (puzzles, seq_len), (puzzles,)
    shapes = {"inputs": tokens, "labels": tokens, "predictions": tokens, "puzzle_identifiers": one, "steps": one}
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        folder = Path(scratch)
        arrays = {name: _new_array(folder / f"{name}.npy", np.int32, shape) for name, shape in shapes.items()}
        arrays["confidences"] = _new_array(folder / "confidences.npy", np.float32, one)
        for row, record in zip(range(puzzles) if order is None else order, records, strict=True):
            arrays["inputs"][row] = record.inputs
            arrays["labels"][row] = IGNORE if record.labels is None else record.labels
            arrays["predictions"][row] = record.tokens
            arrays["puzzle_identifiers"][row] = record.puzzle_identifier
            arrays["steps"][row] = record.answer.steps
            arrays["confidences"][row] = record.answer.confidence
            yield record
        for array in arrays.values():
            array.flush()
        archive = folder / "all.npz"
        _join([folder / f"{name}.npy" for name in arrays], archive)
        publish_new("--save-predictions", archive, path)


def _new_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, "w+", dtype, shape)


def _join(files: Iterable[Path], archive: Path) -> None:
    """Compress array files into one archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as joined:
        for file in files:
            with file.open("rb") as source, joined.open(file.name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)
