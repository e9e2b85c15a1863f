"""Weight files: a model as safetensors with its configuration in the metadata."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import mlx.core as mx
from hrm_ops import from_any_thread
from mlx.utils import tree_flatten
from pydantic import ValidationError

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM
from hrm_model._size import check_memory, model_size
from hrm_model.untrusted import parse_json, quoted, shortened
from hrm_model.weights._quantize import Quantization, quantize_where
from hrm_model.weights._safetensors import read_safetensors, refuse_not_finite

_MOST_PROBLEMS = 5  # that one message names


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
        HRMModelError: If the file is missing or damaged, has no configuration, does not match its configuration, holds
            numbers that are not finite, or describes a model that cannot fit into memory.
        HRMOpsError: If this process was forked after MLX had been used.
    """
    return from_any_thread(partial(_load, Path(path)))


def _load(path: Path) -> HRM:
    arrays, metadata = read_safetensors(path)
    if "config" not in metadata:
        raise HRMModelError(f"{path}: has no 'config' in its metadata, so save_weights did not write it")
    try:
        parse_json(metadata["config"])  # refuses keys that stand there twice
        config = HRMConfig.model_validate_json(metadata["config"])
    except ValidationError as error:
        raise HRMModelError(f"{path}: its configuration is not valid: {_reason(error)}") from error
    except ValueError as error:
        raise HRMModelError(f"{path}: its configuration is not valid: {error}") from error
    quantization = None
    if "quantization" in metadata:
        try:
            quantization = Quantization.model_validate_json(metadata["quantization"])
        except ValidationError as error:
            raise HRMModelError(f"{path}: its quantization is not valid: {_reason(error)}") from error
    _check_size(config, quantization, arrays, path)
    model = HRM(config)
    if quantization is not None:
        quantize_where(model, quantization, lambda name: f"{name}.scales" in arrays)
    expected = {name: (array.shape, array.dtype) for name, array in tree_flatten(model.parameters())}
    found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    for name in sorted(expected.keys() | found.keys()):
        (shape, dtype), (its_shape, its_dtype) = (known.get(name, (None, None)) for known in (expected, found))
        if shape != its_shape:
            raise HRMModelError(
                f"{path}: parameter {shortened(name)} should have shape {shape}, but has {shortened(its_shape)}"
            )
        if dtype != its_dtype:
            raise HRMModelError(f"{path}: parameter {shortened(name)} should be {dtype}, but is {its_dtype}")
    refuse_not_finite(arrays, path)
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


def _check_size(
    config: HRMConfig, quantization: Quantization | None, arrays: Mapping[str, mx.array], path: Path
) -> None:
    """Raise if the model cannot fit into memory, or is of another size than the file, before it is made."""
    try:
        check_memory(config, bits=quantization.bits if quantization else 32)
    except HRMModelError as error:
        raise HRMModelError(f"{path}: {error}") from error
    size, stored = model_size(config).parameters, sum(array.size for array in arrays.values())
    if quantization is None and size > 2 * stored:  # else the names of parameters tell better what is wrong
        raise HRMModelError(
            f"{path}: its configuration describes {size:,} parameters, but it holds {stored:,}; choose another "
            "checkpoint"
        )


def _reason(error: ValidationError) -> str:
    """Describe in one line what is wrong, or that the file comes from a newer version."""
    problems = error.errors()[:_MOST_PROBLEMS]
    unknown = [".".join(map(str, problem["loc"])) for problem in problems if problem["type"] == "extra_forbidden"]
    if unknown:
        names = shortened(", ".join(unknown))
        return f"this version does not know {names}; a newer version wrote the file, upgrade hrm-model"
    return "; ".join(
        f"{shortened('.'.join(map(str, p['loc'])))} {shortened(p['msg'])}, but is {quoted(p['input'])}"
        for p in problems
    )
