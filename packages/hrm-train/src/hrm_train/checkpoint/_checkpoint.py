import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
from hrm_model import HRM, HRMModelError, load_model
from mlx.utils import tree_flatten, tree_map_with_path

from hrm_train._config import TrainConfig
from hrm_train._errors import DamagedCheckpointError, HRMTrainError
from hrm_train._files import new_directory, remove_directory, write_json
from hrm_train.checkpoint._manifest import check_manifest, write_manifest
from hrm_train.checkpoint._table_copy import TableCopy
from hrm_train.checkpoint._weights_file import write_weights
from hrm_train.step._step import TrainStep

WEIGHTS = "model.safetensors"
TRAINING = "training.safetensors"
STATE = "state.json"
_FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})")
_TABLE = "puzzle_emb.weight"


class Progress(NamedTuple):
    """How far a run has come.

    Attributes:
        step: Steps done.
        position: Batches taken from the data.
    """

    step: int
    position: int


class Snapshot:
    """Everything that training needs to go on, as it is now; training may go on while it is written.

    Args:
        step: The training step whose state is held.
        progress: How far the run has come.
        settings: How it is trained, for :func:`saved_settings`.

    Attributes:
        table: The copy of the puzzle table, where the model has one. Parts of a large one are to be taken after
            each step, until it is whole.

    Raises:
        HRMTrainError: If a number of the state is not finite.
    """

    def __init__(self, step: TrainStep, progress: Progress, settings: TrainConfig | None = None) -> None:
        state = step.whole_state()
        weights = dict(tree_flatten(state.pop("model")))
        has_table = weights.pop(_TABLE, None) is not None
        training = {name: leaf for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}
        # [...] is another handle of the same memory: a step gives its own ones other arrays.
        self._weights = {name: array[...] for name, array in weights.items()}
        self._training = {name: array[...] for name, array in training.items()}
        mx.eval(self._weights, self._training)
        self.progress = progress
        self._settings = {} if settings is None else settings.model_dump(mode="json")
        self._config = step.model.config.model_dump_json()
        _refuse_not_finite(self._weights | self._training)  # into the table only finite rows are written
        self.table = TableCopy(step.table) if has_table else None

    def write(self, directory: Path) -> Path:
        """Write a new directory ``step-00001234`` that is whole or not there; once only.

        It holds ``model.safetensors`` (weights and configuration), ``training.safetensors`` (both optimisers,
        carry, metrics since the last report, random state), ``state.json`` (counters, settings and versions)
        and ``SHA256SUMS`` of these. No array is computed here, so that it may be done in another thread.

        Args:
            directory: Where the checkpoint is put.

        Returns:
            The checkpoint's directory; an existing one of the same step is left as it is.

        Raises:
            HRMTrainError: If it cannot be written, as on a full disk.
        """
        path = directory / f"step-{self.progress.step:08d}"
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
        if self.table is not None:
            weights[_TABLE] = self.table.shape, self.table.parts()
        write_weights(directory / WEIGHTS, weights, {"config": self._config})
        mx.save_safetensors(str(directory / TRAINING), self._training)
        progress = self.progress
        state = {
            "format": _FORMAT,
            "step": progress.step,
            "position": progress.position,
            "train": self._settings,
            "versions": {name: version(name) for name in ("mlx", "hrm-model", "hrm-train")},
        }
        write_json(directory / STATE, state)
        write_manifest(directory)


def save_checkpoint(directory: Path, step: TrainStep, progress: Progress) -> Path:
    """Write a :class:`Snapshot` at once."""
    snapshot = Snapshot(step, progress)
    with ThreadPoolExecutor(max_workers=1) as pool:
        path = pool.submit(snapshot.write, directory)
        if snapshot.table is not None:
            snapshot.table.take_rest()
        return path.result()


def load_checkpoint(path: Path, step: TrainStep) -> Progress:
    """Put a training step into the state of a checkpoint.

    Args:
        path: Directory of :meth:`Snapshot.write`.
        step: A training step of the same configuration; left as it is if the checkpoint cannot be used.

    Returns:
        How far the run had come.

    Raises:
        DamagedCheckpointError: If a file is not as it was written.
        HRMTrainError: If the checkpoint is from a newer version, or of another model.
    """
    check_manifest(path)
    progress = _read_progress(path)
    model = _load_weights(path)
    if model.config != step.model.config:
        saved, wanted = model.config.model_dump(), step.model.config.model_dump()
        odd = "; ".join(f"{n} is {saved[n]}, but {wanted[n]} in the run" for n in saved if saved[n] != wanted[n])
        raise HRMTrainError(
            f"{path}: holds another model: {odd}; resume with the settings that the run was started with"
        )
    training: Any = mx.load(str(path / TRAINING))
    state = {name: part for name, part in step.whole_state().items() if name != "model"}
    expected = {name: leaf.shape for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}
    found = {name: array.shape for name, array in training.items()}
    if expected != found:
        odd = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise HRMTrainError(
            f"{path / TRAINING}: {odd} should have shape {expected.get(odd)}, but has {found.get(odd)}; "
            "resume with the settings that the run was started with"
        )
    state = tree_map_with_path(lambda name, leaf: training.get(name, leaf), state)
    step.load_state({"model": model.parameters(), **state})
    mx.eval(step.state)  # read now: the files may be removed later
    return progress


def saved_settings(path: Path) -> dict[str, Any]:
    """Return how a checkpoint was trained, as values of :class:`TrainConfig`; nothing where it does not say.

    Raises:
        DamagedCheckpointError: If that cannot be read.
    """
    found = _read_state(path).get("train", {})
    return found if isinstance(found, dict) else {}


def load_checkpoint_model(path: Path) -> HRM:
    """Read only the model of a checkpoint.

    Raises:
        DamagedCheckpointError: If a file is not as it was written.
        HRMTrainError: If ``path`` is no checkpoint, or from a newer version.
    """
    if not (path / WEIGHTS).is_file():
        raise HRMTrainError(f"{path}: is no checkpoint, it has no {WEIGHTS}")
    check_manifest(path)
    _read_progress(path)
    return _load_weights(path)


def checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints in a directory, oldest first, damaged ones included."""
    return sorted((path for path in directory.glob("step-*") if _NAME.fullmatch(path.name)), key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return the number of steps done at a checkpoint."""
    return int(checkpoint.name.removeprefix("step-"))


def remove_old_checkpoints(directory: Path, keep: int, best: int | None = None) -> None:
    """Remove all but the newest ``keep`` checkpoints and that of step ``best``."""
    for path in checkpoints(directory)[:-keep]:
        if step_of(path) != best:
            remove_directory(path)


def set_aside_after(directory: Path, step: int) -> None:
    """Rename the checkpoints of later steps, which will be written again, to ``aside-step-00001234``."""
    for path in checkpoints(directory):
        if step_of(path) > step:
            names = (f"aside-{path.name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
            path.rename(next(free for name in names if not (free := path.with_name(name)).exists()))


def _refuse_not_finite(arrays: dict[str, mx.array]) -> None:
    floats = {name: array for name, array in arrays.items() if mx.issubdtype(array.dtype, mx.floating)}
    finite = {name: mx.isfinite(array).all() for name, array in floats.items()}
    mx.eval(finite)
    for name, good in finite.items():
        if not good.item():
            raise HRMTrainError(f"{name} is not finite, so no checkpoint is written; start again with a lower lr")


def _load_weights(path: Path) -> HRM:
    try:
        return load_model(path / WEIGHTS)
    except HRMModelError as error:
        raise HRMTrainError(str(error)) from error


def _read_progress(path: Path) -> Progress:
    state = _read_state(path)
    try:
        return Progress(int(state["step"]), int(state["position"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({error!r})") from error


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((path / STATE).read_text())
        if state["format"] > _FORMAT:
            raise HRMTrainError(
                f"{path / STATE}: format {state['format']} is newer than this version reads ({_FORMAT}); "
                "upgrade hrm-train"
            )
        return state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({error!r})") from error
