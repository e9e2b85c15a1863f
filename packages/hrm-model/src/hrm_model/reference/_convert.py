"""Conversion of the reference's weights and configuration (PyTorch) to a model, and back."""

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
from hrm_model.reference._torch_file import read_torch_file

CONFIG = "all_config.yaml"
ARCHITECTURE = "hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
PREFIX = "model.inner."

# Fields without a default in the reference that the weights do not determine.
_REQUIRED = ("num_heads", "H_cycles", "L_cycles", "expansion", "halt_max_steps", "halt_exploration_prob")
# Fields that the reference lacks.
_OURS = {"variant", "mixer", "puzzle_emb_len", "halt_loss", "symbol_equivariant", "swiglu_multiple"}
_FLOATS = (mx.float32, mx.bfloat16, mx.float16)
_LARGEST_CONFIG = 2**16  # bytes; the reference writes fewer than a thousand


def reference_name(name: str) -> str:
    """Return the reference's name of a parameter of `HRM`, such as `model.inner.puzzle_emb.weights`."""
    for ours, theirs in (("embed_tokens", "embedding_weight"), ("embed_pos", "embedding_weight")):
        name = name.replace(f"{ours}.weight", f"{ours}.{theirs}")
    return PREFIX + name.replace("puzzle_emb.weight", "puzzle_emb.weights")


def our_name(name: str) -> str:
    """Return the name in `HRM` of a parameter of the reference; prefixes of PyTorch's wrappers are dropped."""
    name = re.sub(r"^((_orig_mod|module|model|inner)\.)+", "", name)
    return name.replace("embedding_weight", "weight").replace("puzzle_emb.weights", "puzzle_emb.weight")


def find_reference(path: str | Path) -> Path:
    """Return the weight file at a path: the file itself, or one in a directory.

    In a directory the first of these is taken: `checkpoint` (the name of published checkpoints), the newest `step_N`,
    a safetensors file with the reference's names.

    Raises:
        HRMModelError: If there is none.
    """
    path = Path(path)
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
    path: str | Path,
    seq_len: int | None = None,
    config: str | Path | None = None,
    forward_dtype: str | None = None,
) -> HRM:
    """Read a checkpoint of the reference.

    The weights determine the vocabulary, the number of puzzles and the layer sizes. Heads, cycles, positions and
    halting come from `all_config.yaml`, which the reference's trainer writes next to its checkpoints.

    Args:
        path: A file `step_N` that `torch.save` wrote, a safetensors file with the reference's names, or a directory
            with one of them, see `find_reference`.
        seq_len: Tokens in a puzzle. Needed for rotary positions: no weight determines it then.
        config: The configuration file, if it is not next to the weights.
        forward_dtype: `float32` or `bfloat16`, to replace the dtype of the configuration.

    Returns:
        The model, with float32 parameters.

    Raises:
        HRMModelError: If a file is missing, damaged or malicious, or weights and configuration contradict each other.
    """
    path = find_reference(path)
    config = Path(config) if config else path.parent / CONFIG
    arch = _arch(read_reference_config(config), config)
    if forward_dtype is not None:
        arch["forward_dtype"] = forward_dtype
    weights = read_reference_weights(path)
    return _assemble(_config(arch, weights, seq_len, path, config), weights, path, config)


def read_reference_config(path: str | Path) -> dict[str, Any]:
    """Read an `all_config.yaml`; every value is a string, a list or a mapping.

    Raises:
        HRMModelError: If the file is missing or is not a configuration of the reference.
    """
    import yaml  # slow to import, and needed here only

    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise HRMModelError(
                f"{path}: has {path.stat().st_size:,} bytes, too many for a configuration of the reference"
            )
        text = path.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            # A few hundred bytes of nested aliases become gigabytes when a message prints the value.
            raise HRMModelError(f"{path}: uses aliases (*name); write the values out")
        content = yaml.load(text, yaml.BaseLoader)  # makes strings only: no tags
    except FileNotFoundError:
        raise HRMModelError(
            f"{path}: does not exist; it holds the number of heads and of cycles, copy it from the place where the "
            "checkpoint comes from"
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise HRMModelError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(content, dict) or not isinstance(content.get("arch"), dict):
        raise HRMModelError(f"{path}: has no section 'arch', so it is not a configuration of the reference")
    return content


def read_reference_weights(path: Path) -> dict[str, mx.array]:
    """Read the weights of a reference checkpoint with the names of `HRM`, as float32.

    Raises:
        HRMModelError: If the file is damaged, or two of its keys name the same parameter.
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


def save_reference_weights(model: HRM, path: str | Path) -> None:
    """Write a model's weights with the reference's names.

    A path that ends in `.safetensors` gets that format. Any other path, such as `step_1000`, gets the format of
    `torch.save`, which the reference reads; torch must be installed then.

    Raises:
        HRMModelError: If torch is needed and not installed.
    """
    path = Path(path)
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
    """Return the section `arch` of an `all_config.yaml`.

    Raises:
        HRMModelError: If the reference does not support the configuration.
    """
    for field in ("variant", "mixer", "puzzle_emb_len", "symbol_equivariant", "swiglu_multiple"):
        usual = ArchConfig.model_fields[field].default
        if getattr(config, field) != usual:
            raise HRMModelError(f"{field} is {getattr(config, field)}, but the reference knows only {usual}")
    if config.pos_encodings not in ("rope", "learned"):
        raise HRMModelError(f"pos_encodings is {config.pos_encodings}, but the reference knows only rope and learned")
    if config.halt_loss == "none":
        raise HRMModelError("halt_loss is none, but the reference knows only learned halting")
    fields = config.model_dump(include=set(ArchConfig.model_fields) - _OURS)
    return {"name": ARCHITECTURE, **fields}


def _arch(settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    arch = dict(settings["arch"])
    name = arch.pop("name", ARCHITECTURE)
    if name != ARCHITECTURE:
        raise HRMModelError(f"{path}: arch.name is {name!r}, but only {ARCHITECTURE} is supported")
    missing = [field for field in _REQUIRED if field not in arch]
    if missing:
        raise HRMModelError(f"{path}: has no arch.{missing[0]}, which the weights do not determine; add it")
    arch.pop("loss", None)
    arch.pop("puzzle_emb_len", None)
    return arch


def _config(
    arch: dict[str, Any], weights: Mapping[str, mx.array], seq_len: int | None, path: Path, source: Path
) -> HRMConfig:
    """Join the configuration file with the sizes of the weights; raise if they contradict each other."""

    def shape(name: str) -> tuple[int, ...]:
        if name not in weights:
            raise HRMModelError(f"{path}: has no parameter {name}, so it is not an HRM")
        if weights[name].ndim != 2 or not weights[name].size:
            raise HRMModelError(f"{path}: {name} has shape {weights[name].shape}, but must be a matrix")
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
            f"{path}: has rotary positions, so its weights do not determine seq_len; give the sequence length "
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
        model = HRM(config)  # allocates nothing until it is evaluated
        shapes = {name: array.shape for name, array in tree_flatten(model.parameters())}
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise HRMModelError(f"{path}: no model of the size in {source} can be made ({error})") from error
    for name in sorted(shapes.keys() | weights.keys()):
        found = weights[name].shape if name in weights else None
        if name not in shapes:
            raise HRMModelError(f"{path}: holds {name[:200]}, which is not a parameter of this model")
        if found != shapes[name]:
            raise HRMModelError(
                f"{path}: parameter {name} should have shape {shapes[name]}, but "
                + ("is missing" if found is None else f"has {found}")
            )
    model.update(tree_unflatten(list(weights.items())))
    mx.eval(model.parameters())
    return model
