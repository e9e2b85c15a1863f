"""Weights and configuration of the reference implementation (PyTorch), to a model of ours and back."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from pydantic import ValidationError

from hrm_model._config import ArchConfig, HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM
from hrm_model._safetensors import read_safetensors
from hrm_model._torch_file import read_torch_file

CONFIG = "all_config.yaml"
ARCHITECTURE = "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
PREFIX = "model.inner."

# Without defaults in the reference, and not to be seen in the weights.
_REQUIRED = ("num_heads", "H_cycles", "L_cycles", "expansion", "halt_max_steps", "halt_exploration_prob")
_OURS = {"variant", "mixer", "puzzle_emb_len", "halt_loss"}  # fields that the reference does not have
_FLOATS = (mx.float32, mx.bfloat16, mx.float16)
_LARGEST_CONFIG = 2**16  # bytes; the reference writes less than a thousand


def reference_name(name: str) -> str:
    """Return the reference's name of a parameter of :class:`HRM`, such as ``model.inner.puzzle_emb.weights``."""
    for ours, theirs in (("embed_tokens", "embedding_weight"), ("embed_pos", "embedding_weight")):
        name = name.replace(f"{ours}.weight", f"{ours}.{theirs}")
    return PREFIX + name.replace("puzzle_emb.weight", "puzzle_emb.weights")


def our_name(name: str) -> str:
    """Return the name here of a parameter of the reference, with or without what PyTorch's wrappers put before it."""
    name = re.sub(r"^((_orig_mod|module|model|inner)\.)+", "", name)
    return name.replace("embedding_weight", "weight").replace("puzzle_emb.weights", "puzzle_emb.weight")


def find_reference(path: Path) -> Path:
    """Return the file of weights that a path stands for: itself, or the newest ``step_N`` of a directory.

    Published checkpoints are named ``checkpoint``; safetensors under the reference's names are taken as well.

    Raises:
        HRMModelError: If there is none.
    """
    if not path.exists():
        raise HRMModelError(f"{path}: does not exist")
    if not path.is_dir():
        return path
    steps = [file for file in path.glob("step_*") if re.fullmatch(r"step_[0-9]+", file.name)]
    steps.sort(key=lambda file: int(file.name.removeprefix("step_")))
    for file in (path / "checkpoint", *steps[::-1], *sorted(path.glob("*.safetensors"))):
        if file.is_file():
            return file
    raise HRMModelError(f"{path}: holds no checkpoint of the reference, which are named step_N or checkpoint")


def load_reference(
    path: Path, seq_len: int | None = None, config: Path | None = None, forward_dtype: str | None = None
) -> HRM:
    """Read a checkpoint of the reference.

    Vocabulary, puzzles and layer sizes are read off the weights; heads, cycles, positions and halting come from
    ``all_config.yaml``, which the reference's trainer leaves beside its checkpoints.

    Args:
        path: A file ``step_N`` as ``torch.save`` wrote it, or safetensors under the reference's names, or a directory
            of :func:`find_reference`.
        seq_len: Tokens in a puzzle; needed for rotary positions, which no weight tells the length of.
        config: The configuration, when it is not beside the file.
        forward_dtype: ``float32`` or ``bfloat16`` in place of what the model was trained with.

    Returns:
        The model; parameters are float32 as here always.

    Raises:
        HRMModelError: If a file is missing, damaged or malicious, or weights and configuration contradict each other.
    """
    path = find_reference(path)
    config = config or path.parent / CONFIG
    arch = _arch(read_reference_config(config), config)
    if forward_dtype is not None:
        arch["forward_dtype"] = forward_dtype
    weights = read_reference_weights(path)
    return _assemble(_config(arch, weights, seq_len, path, config), weights, path, config)


def read_reference_config(path: Path) -> dict[str, Any]:
    """Read an ``all_config.yaml``; every value is a string, a list or a mapping.

    Raises:
        HRMModelError: If it is missing or is no such file.
    """
    import yaml  # slow to import, and for this alone

    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise HRMModelError(
                f"{path}: has {path.stat().st_size:,} bytes, which is no configuration of the reference"
            )
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            # A few hundred bytes of aliases of aliases become gigabytes as soon as a message shows the value.
            raise HRMModelError(f"{path}: repeats parts of itself by aliases (*name); write the values out")
        content = yaml.load(text, yaml.BaseLoader)  # makes strings only: no tags
    except FileNotFoundError:
        raise HRMModelError(
            f"{path}: does not exist; the number of heads and of cycles stands there, copy it from where the "
            "checkpoint comes from"
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise HRMModelError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(content, dict) or not isinstance(content.get("arch"), dict):
        raise HRMModelError(f"{path}: has no section 'arch', so it is no configuration of the reference")
    return content


def read_reference_weights(path: Path) -> dict[str, mx.array]:
    """Read the weights of a reference checkpoint under our names, as float32.

    Raises:
        HRMModelError: If the file is damaged, or two of its keys are the same parameter.
    """
    arrays = read_safetensors(path)[0] if path.suffix == ".safetensors" else read_torch_file(path)
    weights: dict[str, mx.array] = {}
    for key, array in arrays.items():
        name = our_name(key)
        if name in weights:
            raise HRMModelError(f"{path}: holds the parameter {name} twice, once as {key}")
        if array.dtype not in _FLOATS:
            raise HRMModelError(f"{path}: {key} is {array.dtype}, but weights are float32, bfloat16 or float16")
        weights[name] = array.astype(mx.float32)
    return weights


def save_reference_weights(model: HRM, path: Path) -> None:
    """Write a model's weights under the reference's names.

    A path that ends in ``.safetensors`` gets that format; any other name, such as ``step_1000``, what the reference's
    own ``torch.save`` writes, for which torch has to be installed.

    Raises:
        HRMModelError: If torch is needed and is not there.
    """
    arrays = {reference_name(name): array for name, array in tree_flatten(model.parameters())}
    if path.suffix == ".safetensors":
        mx.save_safetensors(str(path), arrays)
        return
    try:
        import torch
    except ImportError:
        raise HRMModelError(
            f"{path}: PyTorch's format needs torch, which is not installed; install it or choose a name that ends "
            "in .safetensors"
        ) from None
    tensors = {
        f"_orig_mod.{name}": torch.frombuffer(bytearray(memoryview(array)), dtype=torch.float32).reshape(array.shape)
        for name, array in arrays.items()
    }
    torch.save(tensors, path)


def reference_config(config: HRMConfig) -> dict[str, Any]:
    """Return the section ``arch`` of an ``all_config.yaml``.

    Raises:
        HRMModelError: If the reference has no such model.
    """
    for field in ("variant", "mixer", "puzzle_emb_len"):
        usual = ArchConfig.model_fields[field].default
        if getattr(config, field) != usual:
            raise HRMModelError(f"{field} is {getattr(config, field)}, but the reference knows {usual} only")
    if config.pos_encodings == "none":
        raise HRMModelError("pos_encodings is none, but the reference knows rope and learned only")
    fields = config.model_dump(include=set(ArchConfig.model_fields) - _OURS)
    return {"name": ARCHITECTURE, **fields}


def _arch(settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    arch = dict(settings["arch"])
    name = arch.pop("name", ARCHITECTURE)
    if name != ARCHITECTURE:
        raise HRMModelError(f"{path}: arch.name is {name!r}, but only {ARCHITECTURE} is known here")
    missing = [field for field in _REQUIRED if field not in arch]
    if missing:
        raise HRMModelError(f"{path}: has no arch.{missing[0]}, which the weights do not show; add it")
    arch.pop("loss", None)
    arch.pop("puzzle_emb_len", None)
    return arch


def _config(
    arch: dict[str, Any], weights: Mapping[str, mx.array], seq_len: int | None, path: Path, source: Path
) -> HRMConfig:
    """Join what the configuration says to what the weights show; where both do, they must agree."""

    def shape(name: str) -> tuple[int, ...]:
        if name not in weights:
            raise HRMModelError(f"{path}: has no parameter {name}, so it is no HRM")
        if weights[name].ndim != 2 or not weights[name].size:
            raise HRMModelError(f"{path}: {name} has shape {weights[name].shape}, but should be a matrix")
        return weights[name].shape

    vocab_size, hidden_size = shape("embed_tokens.weight")
    puzzles, width = shape("puzzle_emb.weight") if "puzzle_emb.weight" in weights else (1, 0)
    shown: dict[str, Any] = {
        "hidden_size": hidden_size,
        "puzzle_emb_ndim": width,
        "H_layers": _layers(weights, "H_level"),
        "L_layers": _layers(weights, "L_level"),
        "pos_encodings": "learned" if "embed_pos.weight" in weights else "rope",
    }
    for name, value in shown.items():
        if name in arch and str(arch[name]) != str(value):
            raise HRMModelError(f"{path}: its weights have {name} {value}, but {source} says {arch[name]}")
    prefix = -(-width // hidden_size)
    if "embed_pos.weight" in weights:
        length = shape("embed_pos.weight")[0] - prefix
        if seq_len not in (None, length):
            raise HRMModelError(f"{path}: its learned positions are for {length} tokens, but seq_len is {seq_len}")
        seq_len = length
    if seq_len is None:
        raise HRMModelError(
            f"{path}: has rotary positions, which do not tell how many tokens a puzzle has; give the sequence length "
            "(--seq-len; 81 for Sudoku, 900 for mazes and ARC) or the dataset (--data-path)"
        )
    try:
        return HRMConfig(
            **{**arch, **shown, "vocab_size": vocab_size, "seq_len": seq_len, "num_puzzle_identifiers": puzzles}
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HRMModelError(f"{source}: arch.{place} {str(first['input'])[:100]}: {first['msg']}") from error


def _layers(weights: Mapping[str, mx.array], level: str) -> int:
    numbers = {int(m[1]) for name in weights if (m := re.match(rf"{level}\.layers\.([0-9]{{1,4}})\.", name))}
    return len(numbers)


def _assemble(config: HRMConfig, weights: Mapping[str, mx.array], path: Path, source: Path) -> HRM:
    try:
        model = HRM(config)  # nothing is allocated before it is evaluated
        shapes = {name: array.shape for name, array in tree_flatten(model.parameters())}
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise HRMModelError(f"{path}: there is no model of the size that {source} asks for ({error})") from error
    for name in sorted(shapes.keys() | weights.keys()):
        found = weights[name].shape if name in weights else None
        if name not in shapes:
            raise HRMModelError(f"{path}: holds {name[:200]}, which is no parameter of this model")
        if found != shapes[name]:
            raise HRMModelError(
                f"{path}: parameter {name} should have shape {shapes[name]}, but "
                + ("is missing" if found is None else f"has {found}")
            )
    model.update(tree_unflatten(list(weights.items())))
    mx.eval(model.parameters())
    return model
