"""Reading a checkpoint: into a training step, or its model or settings alone."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_model import HRM, HRMModelError, load_model
from mlx.utils import tree_flatten, tree_map_with_path

from hrm_train._errors import DamagedCheckpointError, HRMTrainError
from hrm_train.checkpoint._checkpoint import FORMAT, STATE, TRAINING, WEIGHTS, Position
from hrm_train.checkpoint._manifest import check_manifest
from hrm_train.step._step import TrainStep

_OTHER_SETTINGS = "resume with the settings that the run was started with"


def load_checkpoint(path: str | Path, step: TrainStep) -> Position:
    """Put a training step into the state of a checkpoint.

    Args:
        path: Directory that `Snapshot.write` has returned.
        step: A training step of the same configuration; stays unchanged if the checkpoint cannot be used.

    Returns:
        How far the run had come.

    Raises:
        DamagedCheckpointError: If a file differs from what was written.
        HRMTrainError: If the checkpoint is from a newer version, or of another model.
    """
    path = Path(path)
    check_manifest(path)
    position = _read_position(path)
    model = _load_weights(path)
    if model.config != step.model.config:
        saved, wanted = model.config.model_dump(), step.model.config.model_dump()
        odd = "; ".join(f"{n} is {saved[n]}, but {wanted[n]} in the run" for n in saved if saved[n] != wanted[n])
        raise HRMTrainError(f"{path}: holds another model: {odd}; {_OTHER_SETTINGS}")
    training: Any = mx.load(str(path / TRAINING))
    state = {name: part for name, part in step.whole_state().items() if name != "model"}
    expected = {name: leaf.shape for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}
    found = {name: array.shape for name, array in training.items()}
    if expected != found:
        odd = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise HRMTrainError(
            f"{path / TRAINING}: {odd} should have shape {expected.get(odd)}, but has {found.get(odd)}; "
            f"{_OTHER_SETTINGS}"
        )
    state = tree_map_with_path(lambda name, leaf: training.get(name, leaf), state)
    step.load_state({"model": model.parameters(), **state})
    mx.eval(step.state)  # reads the files now: they may be removed later
    return position


def load_checkpoint_model(path: str | Path) -> HRM:
    """Return the model of a checkpoint.

    Raises:
        DamagedCheckpointError: If a file differs from what was written.
        HRMTrainError: If `path` is no checkpoint, or from a newer version.
    """
    path = Path(path)
    if not (path / WEIGHTS).is_file():
        raise HRMTrainError(f"{path}: is no checkpoint, it has no {WEIGHTS}")
    check_manifest(path)
    _read_position(path)
    return _load_weights(path)


def saved_settings(path: str | Path) -> dict[str, Any]:
    """Return the settings in a checkpoint: `train`, the values of `TrainConfig`, and those given to `train` as `about`.

    Empty if it holds none.

    Raises:
        DamagedCheckpointError: If they cannot be read.
        HRMTrainError: If the checkpoint is from a newer version.
    """
    state = _read_state(Path(path))
    parts = {**state.get("about", {}), "train": state.get("train", {})}
    return {name: part for name, part in parts.items() if isinstance(part, dict) and part}


def _load_weights(path: Path) -> HRM:
    try:
        return load_model(path / WEIGHTS)
    except HRMModelError as error:
        raise HRMTrainError(str(error)) from error


def _read_position(path: Path) -> Position:
    state = _read_state(path)
    try:
        return Position(int(state["step"]), int(state["position"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({error!r})") from error


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((path / STATE).read_text())
        if state["format"] > FORMAT:
            raise HRMTrainError(
                f"{path / STATE}: format {state['format']} is newer than this version reads ({FORMAT}); "
                "upgrade hrm-train"
            )
        return state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({error!r})") from error
