"""Writing of a model in the layout of the reference and of its relatives (PyTorch)."""

from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
from mlx.utils import tree_flatten

from hrm_model._config import ArchConfig, HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._model import HRM
from hrm_model.reference._names import reference_name

# Fields of ours that `all_config.yaml` lacks or spells in another way.
_OURS = {
    "variant",
    "mixer",
    "puzzle_emb_len",
    "halt_loss",
    "symbol_equivariant",
    "swiglu_multiple",
    "puzzle_identifiers",
}


class _Layout(NamedTuple):
    """How one of the releases names a model, and what its models have."""

    name: str
    release: str
    mixers: tuple[str, ...] = ("attention", "mlp")
    pos_encodings: tuple[str, ...] = ("rope", "learned", "none")
    halt_loss: tuple[str, ...] = ("q_learning",)
    without: tuple[str, ...] = ()


_HRM = _Layout("hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1", "the reference", ("attention",), ("rope", "learned"))
_TRM_RELEASE = "the Tiny Recursive Model's release"
_HRM_COPY = _Layout("recursive_reasoning.hrm@HierarchicalReasoningModel_ACTV1", _TRM_RELEASE)
_TRM = _Layout(
    "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1", _TRM_RELEASE, halt_loss=("bce", "q_learning")
)
_FLAT = _Layout(
    "recursive_reasoning.transformers_baseline@Model_ACTV2",
    _TRM_RELEASE,
    ("attention",),
    ("rope", "learned"),
    without=("L_init",),
)
_RELATIVES = {"trm": _TRM, "transformer": _FLAT}


def save_reference_weights(model: HRM, path: str | Path) -> None:
    """Write a model's weights with the reference's names.

    A path that ends in `.safetensors` gets that format, with the tokens of a puzzle and the task in its metadata. Any
    other path, such as `step_1000`, gets the format of `torch.save`, which the reference reads; torch must be installed
    then.

    Raises:
        HRMModelError: If torch is needed and not installed, or if no release has such a model.
    """
    path = Path(path)
    without = _layout(model.config).without
    arrays = {reference_name(n): array for n, array in tree_flatten(model.parameters()) if n not in without}
    if path.suffix == ".safetensors":
        task = {} if model.task is None else {"task": model.task}
        mx.save_safetensors(str(path), arrays, metadata={"seq_len": str(model.config.seq_len), **task})
        return
    try:
        import torch
    except ImportError:
        raise HRMModelError(
            f"{path}: PyTorch's format needs torch, which is not installed; install it or choose a name that ends "
            "in .safetensors"
        ) from None

    def tensor(name: str, array: Any) -> Any:
        made = torch.frombuffer(bytearray(memoryview(array)), dtype=torch.float32).reshape(array.shape)
        state = name.endswith(("H_init", "L_init"))  # of the dtype of activations there, else all become float32
        return made.to(getattr(torch, model.config.forward_dtype)) if state else made

    torch.save({f"_orig_mod.{name}": tensor(name, array) for name, array in arrays.items()}, path)


def reference_config(config: HRMConfig) -> dict[str, Any]:
    """Return the section `arch` of an `all_config.yaml`: that of HRM's release if it has the model, else that of TRM's.

    Raises:
        HRMModelError: If neither has it.
    """
    layout = _layout(config)
    allowed: dict[str, tuple[Any, ...]] = {
        "mixer": layout.mixers,
        "pos_encodings": layout.pos_encodings,
        "halt_loss": layout.halt_loss,
    }
    for field in (
        "symbol_equivariant",
        "swiglu_multiple",
        "puzzle_identifiers",
        *(() if layout is _TRM else ("puzzle_emb_len",)),
    ):
        allowed[field] = (ArchConfig.model_fields[field].default,)
    for field, values in allowed.items():
        if (value := getattr(config, field)) not in values:
            raise HRMModelError(f"{field} is {value}, but {layout.release} knows only {' and '.join(map(str, values))}")
    arch = {"name": layout.name, **config.model_dump(include=set(ArchConfig.model_fields) - _OURS)}
    if layout in (_TRM, _HRM_COPY):
        arch["mlp_t"] = config.mixer == "mlp"
    if layout is _TRM:
        prefix = config.puzzle_emb_len if config.puzzle_emb_ndim else 0
        arch |= {"H_layers": 0, "puzzle_emb_len": prefix, "no_ACT_continue": config.halt_loss == "bce"}
    return arch


def _layout(config: HRMConfig) -> _Layout:
    if config.variant != "hrm":
        if config.variant not in _RELATIVES:
            raise HRMModelError(f"variant is {config.variant}, but the releases know only hrm, {', '.join(_RELATIVES)}")
        return _RELATIVES[config.variant]
    return _HRM if config.mixer in _HRM.mixers and config.pos_encodings in _HRM.pos_encodings else _HRM_COPY
