"""Writing a checkpoint: the state of a training step, held while training continues."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_model import weights_metadata
from mlx.utils import tree_flatten

from hrm_train._errors import HRMTrainError
from hrm_train._files import new_directory, write_json
from hrm_train.checkpoint._checkpoint import FORMAT, STATE, TABLE, TRAINING, WEIGHTS, Position
from hrm_train.checkpoint._manifest import write_manifest
from hrm_train.checkpoint._table_copy import StillTable, TableCopy
from hrm_train.checkpoint._weights_file import write_weights
from hrm_train.step._step import TrainStep


class Snapshot:
    """The present state of training, to be written while training continues.

    Args:
        step: The training step whose state is held.
        position: How far the run has come.
        settings: Settings as JSON values by name, for `saved_settings`.
        still: Whether no step is taken until the snapshot is written or dropped; the puzzle table is not copied then.

    Attributes:
        position: How far the run had come.
        table: The copy of the puzzle table, if the model has one. A large table is copied in parts: call its `take`
            after each step until it is done.

    Raises:
        HRMTrainError: If a number of the state is not finite.
    """

    def __init__(
        self, step: TrainStep, position: Position, settings: Mapping[str, Any] | None = None, *, still: bool = False
    ) -> None:
        state = step.whole_state()
        weights = dict(tree_flatten(state.pop("model")))
        has_table = weights.pop(TABLE, None) is not None
        training = {name: leaf for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}
        # [...] is a second handle of the same memory: a step gives the first one another array.
        self._weights = {name: array[...] for name, array in weights.items()}
        self._training = {name: array[...] for name, array in training.items()}
        mx.eval(self._weights, self._training)
        self.position = position
        self._settings = dict(settings or {})
        self._metadata = weights_metadata(step.model)
        _refuse_not_finite(self._weights | self._training)  # the table gets finite rows only
        self.table = TableCopy(step.table) if has_table and not still else None
        self._rows = StillTable(step.table) if has_table and still else self.table

    def write(self, directory: str | Path) -> Path:
        """Write a new directory `step-00001234` atomically; call it once only.

        The directory holds `model.safetensors` (weights, configuration, task), `training.safetensors` (both optimisers,
        carry, metrics since the last report, random state), `state.json` (counters, settings and versions) and
        `SHA256SUMS` of these. Any thread may call this: it computes no array.

        Args:
            directory: The directory of checkpoints.

        Returns:
            The checkpoint's directory; an existing one of the same step is kept.

        Raises:
            HRMTrainError: If it cannot be written, as on a full disk.
        """
        path = Path(directory) / f"step-{self.position.step:08d}"
        try:
            if not path.exists():
                with new_directory(path) as temporary:
                    self._write_files(temporary)
        except (OSError, RuntimeError) as error:  # MLX raises the second on a full disk
            raise HRMTrainError(
                f"{path}: the checkpoint could not be written ({error}); make room and resume, earlier ones are intact"
            ) from error
        finally:
            if self.table is not None:
                self.table.drop()
        return path

    def _write_files(self, directory: Path) -> None:
        weights: dict[str, Any] = {name: (array.shape, [array]) for name, array in self._weights.items()}
        if self._rows is not None:
            weights[TABLE] = self._rows.shape, self._rows.parts()
        write_weights(directory / WEIGHTS, weights, self._metadata)
        mx.save_safetensors(str(directory / TRAINING), self._training)
        state = {
            "format": FORMAT,
            "step": self.position.step,
            "position": self.position.batches,
            "train": self._settings.get("train", {}),
            "about": {name: part for name, part in self._settings.items() if name != "train"},
            "versions": {name: version(name) for name in ("mlx", "hrm-model", "hrm-train")},
        }
        write_json(directory / STATE, state)
        write_manifest(directory)


def save_checkpoint(directory: str | Path, step: TrainStep, position: Position) -> Path:
    """Write a `Snapshot`, wait for it, and return the checkpoint's directory."""
    snapshot = Snapshot(step, position)
    with ThreadPoolExecutor(max_workers=1) as pool:
        path = pool.submit(snapshot.write, directory)
        if snapshot.table is not None:
            snapshot.table.take_rest()
        return path.result()


def _refuse_not_finite(arrays: dict[str, mx.array]) -> None:
    floats = {name: array for name, array in arrays.items() if mx.issubdtype(array.dtype, mx.floating)}
    finite = {name: mx.isfinite(array).all() for name, array in floats.items()}
    mx.eval(finite)
    for name, good in finite.items():
        if not good.item():
            raise HRMTrainError(f"{name} is not finite, so no checkpoint is written; start again with a lower lr")
