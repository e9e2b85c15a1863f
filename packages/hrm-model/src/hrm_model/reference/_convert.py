"""Conversion of checkpoints of the reference and of its relatives (PyTorch) to a model.

Weights tell which model they are of: the names of their parameters, and the shapes.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from hrm_ops import from_any_thread
from mlx.utils import tree_flatten, tree_unflatten
from pydantic import TypeAdapter, ValidationError

from hrm_model._config import ArchConfig, HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM
from hrm_model._size import check_memory
from hrm_model.reference._config_file import config_path, read_reference_config
from hrm_model.reference._facts import Facts, facts_of
from hrm_model.reference._names import our_name
from hrm_model.reference._torch_file import read_torch_file
from hrm_model.untrusted import shortened
from hrm_model.weights._safetensors import read_safetensors, refuse_not_finite
from hrm_model.weights._weights import read_now

# Fields without a default in the reference that the weights do not determine. A flat transformer has no inner cycles.
_REQUIRED = ("num_heads", "H_cycles", "L_cycles", "expansion", "halt_max_steps", "halt_exploration_prob")
_CYCLES = ("H_cycles", "L_cycles")
# Fields that are translated, or that the weights determine. TRM's configuration has an H_layers that it ignores.
_NOT_OURS = ("name", "loss", "H_layers", "L_layers", "mlp_t", "no_ACT_continue", "puzzle_emb_len")
_TRM_EMB_LEN = 16  # the default of the Tiny Recursive Model's release
_NO_POSITIONS = ("none", "None", "null", "")  # spellings
_KNOWN = "models of HRM, of the Tiny Recursive Model and of the flat transformer are read"
_FLOATS = (mx.float32, mx.bfloat16, mx.float16)


def find_reference(path: str | Path) -> Path:
    """Return the weight file at a path: the file itself, or one in a directory.

    In a directory the first of these is taken: `checkpoint` (the name of published checkpoints), the newest `step_N`,
    a safetensors file with the reference's names, a checkpoint of Lightning, `last.ckpt` before others.

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
    others = (*sorted(path.glob("*.safetensors")), path / "last.ckpt", *sorted(path.glob("*.ckpt")))
    for file in (path / "checkpoint", *steps[::-1], *others):
        if file.is_file():
            return file
    raise HRMModelError(f"{path}: holds no checkpoint of the reference, which are named step_N or checkpoint")


def load_reference(
    path: str | Path,
    seq_len: int | None = None,
    config: str | Path | None = None,
    forward_dtype: str | None = None,
) -> HRM:
    """Read a checkpoint of the reference, of the Tiny Recursive Model's release, or of nano-trm.

    The weights determine the model, the vocabulary, the number of puzzles and the layer sizes. Heads, cycles, positions
    and halting come from `all_config.yaml`, which the trainers write next to their checkpoints; a `.ckpt` of nano-trm
    holds them itself.

    Args:
        path: A file `step_N` that `torch.save` wrote, a safetensors file with the reference's names, a `.ckpt` of
            nano-trm, or a directory with one of them, see `find_reference`.
        seq_len: Tokens in a puzzle. Needed for attention with rotary positions: no weight determines it then.
        config: The configuration file, if it is not next to the weights.
        forward_dtype: `float32` or `bfloat16`, to replace the dtype of the configuration.

    Returns:
        The model, with float32 parameters.

    Raises:
        HRMModelError: If a file is missing, damaged or malicious, or weights and configuration contradict each other.
        HRMOpsError: If this process was forked after MLX had been used.
    """
    path = find_reference(path)
    source = Path(config) if config else config_path(path)
    return from_any_thread(partial(_load, path, source, seq_len, forward_dtype))


def _load(path: Path, source: Path, seq_len: int | None, forward_dtype: str | None) -> HRM:
    settings = dict(read_reference_config(source)["arch"])
    hyper_parameter = settings.pop("seq_len") if isinstance(settings.get("seq_len"), int) else None
    if forward_dtype is not None:
        settings["forward_dtype"] = forward_dtype
    arrays, metadata = read_safetensors(path) if path.suffix == ".safetensors" else (read_torch_file(path), {})
    weights = _renamed(arrays, path)
    facts = facts_of(weights, path)
    arch = _arch(settings, facts, path, source)
    told = {"seq_len": seq_len, "its metadata": metadata.get("seq_len"), "its hyper_parameters": hyper_parameter}
    try:
        model_config = HRMConfig(
            **arch.model_dump(),
            seq_len=_seq_len(told, facts, arch.prefix_len, path),
            vocab_size=facts.vocab_size,
            num_puzzle_identifiers=facts.puzzles,
        )
    except ValidationError as error:
        raise HRMModelError(f"{path}: {_first(error)}") from error
    try:
        check_memory(model_config)
    except HRMModelError as error:
        raise HRMModelError(f"{path}: {error}") from error
    refuse_not_finite(weights, path)
    model = _assemble(model_config, weights, path, source)
    model.task = metadata.get("task")
    read_now(model, path)
    return model


def _renamed(arrays: Mapping[str, mx.array], path: Path) -> dict[str, mx.array]:
    """Return weights with the names of `HRM`, as float32; raise if two of them name the same parameter."""
    weights: dict[str, mx.array] = {}
    for key, array in arrays.items():
        name = our_name(key)
        if name in weights:
            raise HRMModelError(f"{path}: holds the parameter {shortened(name)} twice, once as {shortened(key)}")
        if array.dtype not in _FLOATS:
            raise HRMModelError(
                f"{path}: {shortened(key)} is {array.dtype}, but weights are float32, bfloat16 or float16"
            )
        weights[name] = array.astype(mx.float32)
    return weights


def _arch(settings: Mapping[str, Any], facts: Facts, path: Path, source: Path) -> ArchConfig:
    """Join the settings with what the weights show; raise if they contradict each other."""
    shown = facts.settings()
    if facts.learned or settings.get("pos_encodings") == "learned":
        shown["pos_encodings"] = "learned" if facts.learned else "rope"
    for name, value in shown.items():
        if name in settings and (isinstance(settings[name], dict | list) or str(settings[name]) != str(value)):
            raise HRMModelError(
                f"{path}: its weights have {name} {value}, but {source} says {shortened(settings[name])}"
            )
    if _switch(settings, "mlp_t", source, facts.mixes) != facts.mixes:
        found = "mix positions with mlp_t" if facts.mixes else "have attention"
        raise HRMModelError(f"{path}: its blocks {found}, but {source} says mlp_t {shortened(settings['mlp_t'])}")
    for name in _REQUIRED:
        if name not in settings and (name not in _CYCLES or facts.variant != "transformer"):
            raise HRMModelError(f"{source}: has no arch.{name}, which the weights do not determine; add it")

    trm = facts.variant == "trm"
    fields = {name: value for name, value in settings.items() if name not in _NOT_OURS} | shown
    fields["variant"] = facts.variant
    fields["mixer"] = "mlp" if facts.mixes else "attention"
    if fields.get("pos_encodings") in _NO_POSITIONS:
        fields["pos_encodings"] = "none"
    if trm and facts.puzzle_emb_ndim:
        fields["puzzle_emb_len"] = settings.get("puzzle_emb_len", _TRM_EMB_LEN)
    fields["halt_loss"] = "bce" if trm and _switch(settings, "no_ACT_continue", source, True) else "q_learning"
    try:
        return ArchConfig(**fields)
    except ValidationError as error:
        raise HRMModelError(f"{source}: arch.{_first(error)}") from error


def _first(error: ValidationError) -> str:
    """The first field that is wrong, its value, and what is allowed."""
    first = error.errors()[0]
    place = shortened(".".join(str(part) for part in first["loc"]))
    return f"{place} {shortened(first['input'])}: {shortened(first['msg'])}"


def _seq_len(told: Mapping[str, int | str | None], facts: Facts, prefix: int, path: Path) -> int:
    """Return the tokens of a puzzle; all that tell them must agree."""
    lengths = {name: int(str(length)) for name, length in told.items() if re.fullmatch("[0-9]{1,9}", str(length))}
    lengths |= {name: positions - prefix for name, positions in facts.positions.items()}
    if not lengths:
        raise HRMModelError(
            f"{path}: has rotary positions, so its weights do not determine seq_len; give the sequence length "
            "(--seq-len; 81 for Sudoku, 900 for mazes and ARC) or the dataset (--data-path)"
        )
    (name, length), *_ = lengths.items()
    for other, its_length in lengths.items():
        if its_length != length or length < 1:
            raise HRMModelError(f"{path}: a puzzle has {its_length} tokens by {other}, but {length} by {name}")
    return length


def _switch(settings: Mapping[str, Any], name: str, source: Path, default: bool) -> bool:
    try:
        return TypeAdapter(bool).validate_python(settings.get(name, default))
    except ValidationError:
        raise HRMModelError(f"{source}: arch.{name} {shortened(settings[name])}: should be true or false") from None


def _assemble(config: HRMConfig, weights: dict[str, mx.array], path: Path, source: Path) -> HRM:
    if config.variant == "transformer":
        weights.setdefault("L_init", mx.zeros((config.hidden_size,)))  # has no fast state
    for name in ("q_head.weight", "q_head.bias"):
        if name in weights and weights[name].shape[:1] == (1,):  # nano-trm has no value of continuing; bce reads none
            weights[name] = mx.concatenate([weights[name], mx.zeros_like(weights[name])])
    try:
        model = HRM(config)  # allocates nothing until it is evaluated
        shapes = {name: array.shape for name, array in tree_flatten(model.parameters())}
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise HRMModelError(f"{path}: no model of the size in {source} can be made ({shortened(error)})") from error
    for name in sorted(shapes.keys() | weights.keys()):
        found = weights[name].shape if name in weights else None
        if name not in shapes:
            raise HRMModelError(f"{path}: holds {shortened(name)}, which is not a parameter of this model; {_KNOWN}")
        if found != shapes[name]:
            raise HRMModelError(
                f"{path}: parameter {shortened(name)} should have shape {shapes[name]}, but "
                + (f"is missing; {_KNOWN}" if found is None else f"has {found}")
            )
    model.update(tree_unflatten(list(weights.items())))
    mx.eval(model.parameters())
    return model
