import hashlib
import json
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_model import HRM, HRMModelError, load_model, save_weights
from mlx.utils import tree_flatten, tree_map_with_path

from hrm_train._errors import HRMTrainError
from hrm_train._files import new_directory, write_json
from hrm_train._step import TrainStep

WEIGHTS = "model.safetensors"
TRAINING = "training.safetensors"
STATE = "state.json"
_FORMAT = 1


def save_checkpoint(directory: Path, step: TrainStep, position: int, step_count: int) -> Path:
    """Write everything that training needs to go on, as a new directory ``step-00001234``, atomically.

    It holds ``model.safetensors`` (weights and configuration), ``training.safetensors`` (both optimisers,
    carry, metrics since the last report, random state) and ``state.json`` (counters, versions and the SHA-256
    of both files).

    Args:
        directory: Where the checkpoint is put.
        step: The training step whose state is saved.
        position: Batches taken from the data so far.
        step_count: Steps done so far.

    Returns:
        The checkpoint's directory; an existing one of the same step is left as it is.
    """
    path = directory / f"step-{step_count:08d}"
    if path.exists():
        return path
    with new_directory(path) as temporary:
        try:
            save_weights(step.model, temporary / WEIGHTS)
            mx.save_safetensors(str(temporary / TRAINING), _training_arrays(step))
        except RuntimeError as error:  # what MLX raises on a full disk, among others
            raise HRMTrainError(
                f"{path}: the checkpoint could not be written ({error}); make room and resume, earlier ones are intact"
            ) from error
        write_json(
            temporary / STATE,
            {
                "format": _FORMAT,
                "step": step_count,
                "position": position,
                "sha256": {name: _sha256(temporary / name) for name in (WEIGHTS, TRAINING)},
                "versions": {name: version(name) for name in ("mlx", "hrm-model", "hrm-train")},
            },
        )
    return path


def load_checkpoint(path: Path, step: TrainStep) -> tuple[int, int]:
    """Put a training step into the state of a checkpoint.

    Args:
        path: Directory of :func:`save_checkpoint`.
        step: A training step of the same configuration.

    Returns:
        Steps done and batches taken from the data.

    Raises:
        HRMTrainError: If the checkpoint is damaged, from a newer version, or of another model.
    """
    counters = _read_counters(path)
    _check_sums(path, (WEIGHTS, TRAINING))
    try:
        model = load_model(path / WEIGHTS)
        training: Any = mx.load(str(path / TRAINING))
    except (HRMModelError, RuntimeError, ValueError, OSError) as error:
        raise HRMTrainError(f"{path}: checkpoint cannot be read: {error}") from error
    if model.config != step.model.config:
        raise HRMTrainError(f"{path}: holds another model ({model.config}) than the run ({step.model.config})")
    expected = {name: array.shape for name, array in _training_arrays(step).items()}
    found = {name: array.shape for name, array in training.items()}
    if expected != found:
        odd = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise HRMTrainError(
            f"{path / TRAINING}: {odd} should have shape {expected.get(odd)}, but has {found.get(odd)}; "
            "resume with the settings that the run was started with"
        )
    rest = {name: part for name, part in step.state.items() if name != "model"}
    rest = tree_map_with_path(lambda name, _: training[name], rest)
    step.load_state({"model": model.parameters(), **rest})
    return counters["step"], counters["position"]


def _training_arrays(step: TrainStep) -> dict[str, mx.array]:
    state = {name: part for name, part in step.state.items() if name != "model"}
    return {name: leaf for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}


def _read_counters(path: Path) -> dict[str, int]:
    try:
        counters: dict[str, int] = json.loads((path / STATE).read_text())
        found = counters["format"]
        if found > _FORMAT:
            raise HRMTrainError(
                f"{path / STATE}: format {found} is newer than this version reads ({_FORMAT}); upgrade hrm-train"
            )
        return {"step": int(counters["step"]), "position": int(counters["position"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HRMTrainError(f"{path / STATE}: cannot be read ({error!r}); use another checkpoint") from error


def _check_sums(path: Path, names: Iterable[str]) -> None:
    """Compare files with the sums of ``state.json``: safetensors has none, so a flipped bit would go unnoticed."""
    try:
        sums: dict[str, str] = json.loads((path / STATE).read_text()).get("sha256", {})
        changed = [name for name in names if name in sums and _sha256(path / name) != sums[name]]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise HRMTrainError(f"{path}: checkpoint cannot be read: {error}; use another one") from error
    if changed:
        raise HRMTrainError(f"{path / changed[0]}: is damaged, {STATE} has another SHA-256; use another checkpoint")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints in a directory, oldest first."""
    return sorted(directory.glob("step-*"))


def remove_old_checkpoints(directory: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints."""
    for path in checkpoints(directory)[:-keep]:
        shutil.rmtree(path)


def load_checkpoint_model(path: Path) -> HRM:
    """Read only the model of a checkpoint.

    Raises:
        HRMTrainError: If ``path`` is no checkpoint or is damaged.
    """
    if not (path / WEIGHTS).is_file():
        raise HRMTrainError(f"{path}: is no checkpoint, it has no {WEIGHTS}")
    _check_sums(path, (WEIGHTS,))
    try:
        return load_model(path / WEIGHTS)
    except HRMModelError as error:
        raise HRMTrainError(str(error)) from error
