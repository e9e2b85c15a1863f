"""Weight files: a model as safetensors with its configuration in the metadata."""

from functools import partial
from pathlib import Path

import mlx.core as mx
from hrm_ops import from_any_thread
from mlx.utils import tree_flatten
from pydantic import ValidationError

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM
from hrm_model._quantize import Quantization, quantize_where
from hrm_model._safetensors import read_safetensors


def save_weights(model: HRM, path: str | Path) -> None:
    """Write all parameters to a safetensors file, with the configuration and the task in its metadata."""
    mx.save_safetensors(str(path), dict(tree_flatten(model.parameters())), metadata=weights_metadata(model))


def weights_metadata(model: HRM) -> dict[str, str]:
    """Return what a weight file says of its model: `config`, and `quantization` and `task` if it has them."""
    metadata = {"config": model.config.model_dump_json()}
    if model.quantization is not None:
        metadata["quantization"] = model.quantization.model_dump_json()
    if model.task is not None:
        metadata["task"] = model.task
    return metadata


def load_model(path: str | Path) -> HRM:
    """Read a model from a file that `save_weights` wrote; any thread may do so, and any may use the model.

    Raises:
        HRMModelError: If the file is missing or damaged, has no configuration, or does not match its configuration.
        HRMOpsError: If this process was forked after MLX had been used.
    """
    return from_any_thread(partial(_load, Path(path)))


def _load(path: Path) -> HRM:
    arrays, metadata = read_safetensors(path)
    if "config" not in metadata:
        raise HRMModelError(f"{path}: has no 'config' in its metadata, so save_weights did not write it")
    try:
        config = HRMConfig.model_validate_json(metadata["config"])
    except ValidationError as error:
        raise HRMModelError(f"{path}: its configuration is not valid: {_reason(error)}") from error
    model = HRM(config)
    if "quantization" in metadata:
        try:
            quantization = Quantization.model_validate_json(metadata["quantization"])
        except ValidationError as error:
            raise HRMModelError(f"{path}: its quantization is not valid: {_reason(error)}") from error
        quantize_where(model, quantization, lambda name: f"{name}.scales" in arrays)
    expected = {name: array.shape for name, array in tree_flatten(model.parameters())}
    found = {name: array.shape for name, array in arrays.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise HRMModelError(
                f"{path}: parameter {name} should have shape {expected.get(name)}, but has {found.get(name)}"
            )
    model.load_weights(list(arrays.items()))
    model.task = metadata.get("task")
    read_now(model, path)
    return model


def read_now(model: HRM, path: Path) -> None:
    """Read the arrays that MLX would read when they are used, which only the thread that loaded them could do.

    Raises:
        HRMModelError: If the file is damaged.
    """
    try:
        mx.eval(model.state)
    except RuntimeError as error:
        raise HRMModelError(f"{path}: is damaged ({error}); choose another checkpoint") from error


def _reason(error: ValidationError) -> str:
    """Describe in one line what is wrong, or that the file comes from a newer version."""
    problems = error.errors()
    unknown = [".".join(map(str, problem["loc"])) for problem in problems if problem["type"] == "extra_forbidden"]
    if unknown:
        return f"this version does not know {', '.join(unknown)}; a newer version wrote the file, upgrade hrm-model"
    return "; ".join(f"{'.'.join(map(str, p['loc']))} {p['msg']}, but is {str(p['input'])[:80]!r}" for p in problems)
