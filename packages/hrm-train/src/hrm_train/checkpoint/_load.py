"""Reading a checkpoint: into a training step, or its model or settings alone."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_model import HRM, HRMModelError, load_model, read_safetensors, refuse_not_finite
from hrm_model.untrusted import parse_json, quoted, read_bytes, shortened
from mlx.utils import tree_flatten, tree_map_with_path

from hrm_train._errors import DamagedCheckpointError, HRMTrainError, MissingCheckpointError
from hrm_train.checkpoint._checkpoint import FORMAT, STATE, TRAINING, WEIGHTS, Position
from hrm_train.checkpoint._manifest import check_manifest
from hrm_train.step._step import TrainStep

_MOST_BYTES = 1 << 20  # of the state, which has a few thousand
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
        HRMTrainError: If the checkpoint is from a newer or older version, or of another model.
    """
    path = Path(path)
    check_manifest(path)
    position = _read_position(path)
    if (written := _read_state(path)["format"]) < FORMAT:
        raise HRMTrainError(
            f"{path / STATE}: format {quoted(written)} is older than {FORMAT}, from which this version resumes; resume "
            "with the version of hrm-train that wrote it, which this file names, or start a new run"
        )
    model = _load_weights(path)
    if model.config != step.model.config:
        saved, wanted = model.config.model_dump(), step.model.config.model_dump()
        odd = "; ".join(
            f"{n} is {shortened(saved[n])}, but {shortened(wanted[n])} in the run"
            for n in saved
            if saved[n] != wanted[n]
        )
        raise HRMTrainError(f"{path}: holds another model: {odd}; {_OTHER_SETTINGS}")
    training = _read_training(path / TRAINING)
    state = {name: part for name, part in step.whole_state().items() if name != "model"}
    expected = {name: _kind(leaf) for name, leaf in tree_flatten(state) if isinstance(leaf, mx.array)}
    found = {name: _kind(array) for name, array in training.items()}
    if expected != found:
        odd = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise HRMTrainError(
            f"{path / TRAINING}: {shortened(odd)} should have shape {expected.get(odd)}, but has "
            f"{shortened(found.get(odd))}; {_OTHER_SETTINGS}"
        )
    state = tree_map_with_path(lambda name, leaf: training.get(name, leaf), state)
    step.load_state({"model": model.parameters(), **state})
    mx.eval(step.state)
    return position


def load_checkpoint_model(path: str | Path) -> HRM:
    """Return the model of a checkpoint.

    Raises:
        DamagedCheckpointError: If a file differs from what was written.
        HRMTrainError: If `path` is no checkpoint, or from a newer version.
    """
    path = Path(path)
    if not path.exists():
        raise MissingCheckpointError(path)
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


def _read_training(path: Path) -> dict[str, mx.array]:
    """The arrays, read from the disk now: the file may be removed later."""
    try:
        arrays = read_safetensors(path)[0]
        refuse_not_finite(arrays, path)
        return arrays
    except HRMModelError as error:
        raise HRMTrainError(str(error)) from error


def _kind(array: mx.array) -> str:
    return f"{array.shape} of {array.dtype}"


def _load_weights(path: Path) -> HRM:
    try:
        return load_model(path / WEIGHTS)
    except HRMModelError as error:
        raise HRMTrainError(str(error)) from error


def _read_position(path: Path) -> Position:
    state = _read_state(path)
    try:
        position = Position(int(state["step"]), int(state["position"]))
        if not all(0 <= number < 2**63 for number in position):
            raise ValueError("a number is out of range")
        return position
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({shortened(repr(error))})") from error


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = parse_json(read_bytes(path / STATE, _MOST_BYTES))
        if state["format"] > FORMAT:
            raise HRMTrainError(
                f"{path / STATE}: format {quoted(state['format'])} is newer than this version reads ({FORMAT}); "
                "upgrade hrm-train"
            )
        for part in ("train", "about"):
            if not isinstance(state.get(part, {}), dict):
                raise TypeError(f"{part} should be an object, but is {quoted(state[part])}")
        return state
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DamagedCheckpointError(path, f"{STATE} cannot be read ({shortened(repr(error))})") from error
