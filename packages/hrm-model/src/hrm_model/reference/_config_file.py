"""The configuration of a checkpoint: an `all_config.yaml`, or the hyper-parameters inside a Lightning file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrm_model._errors import HRMModelError
from hrm_model.reference._torch_file import read_hyper_parameters
from hrm_model.untrusted import parse_yaml, read_bytes, shortened

CONFIG = "all_config.yaml"

_LARGEST = 2**16  # bytes; the reference writes fewer than a thousand

# nano-trm's names of what `all_config.yaml` has under others.
_NANO_ARCH = {
    "num_heads": "num_heads",
    "num_layers": "L_layers",
    "hidden_size": "hidden_size",
    "ffn_expansion": "expansion",
    "H_cycles": "H_cycles",
    "L_cycles": "L_cycles",
    "N_supervision": "halt_max_steps",
    "halt_exploration_prob": "halt_exploration_prob",
    "puzzle_emb_dim": "puzzle_emb_ndim",
    "puzzle_emb_len": "puzzle_emb_len",
    "rope_theta": "rope_theta",
    "use_mlp_t": "mlp_t",
    "seq_len": "seq_len",
}
_NANO_TRAIN = {
    "learning_rate": "lr",
    "learning_rate_emb": "puzzle_emb_lr",
    "weight_decay": "weight_decay",
    "warmup_steps": "lr_warmup_steps",
    "lr_min_ratio": "lr_min_ratio",
    "batch_size": "global_batch_size",
}
_NANO_OTHERS = {"use_conv_swiglu": True, "use_board_swiglu": True, "pos_emb_type": "2d"}  # change what is computed


def config_path(weights: str | Path) -> Path:
    """Return the file that holds the configuration of a weight file: `all_config.yaml`, or a Lightning file itself."""
    weights = Path(weights)
    beside = weights.with_name(CONFIG)
    return weights if weights.suffix == ".ckpt" and not beside.exists() else beside


def read_reference_config(path: str | Path) -> dict[str, Any]:
    """Read an `all_config.yaml`, whose values are strings, lists and mappings, or the same from a Lightning checkpoint.

    Raises:
        HRMModelError: If the file is missing, or is not a configuration of the reference or of nano-trm.
    """
    path = Path(path)
    return _from_yaml(path) if path.suffix in (".yaml", ".yml") else _from_lightning(path)


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(read_bytes(path, _LARGEST).decode("utf-8"), typed=False)
    except FileNotFoundError:
        raise HRMModelError(
            f"{path}: does not exist; it holds the number of heads and of cycles, copy it from the place where the "
            "checkpoint comes from"
        ) from None
    except (OSError, ValueError) as error:
        raise HRMModelError(f"{path}: cannot be read as YAML ({shortened(' '.join(str(error).split()))})") from error
    if not isinstance(content, dict) or not isinstance(content.get("arch"), dict):
        raise HRMModelError(f"{path}: has no section 'arch', so it is not a configuration of the reference")
    return content


def _from_lightning(path: Path) -> dict[str, Any]:
    given = read_hyper_parameters(path)
    missing = sorted(_NANO_ARCH.keys() - given.keys())
    if missing:
        raise HRMModelError(
            f"{path}: its hyper_parameters have no {missing[0]}; of Lightning checkpoints, those of nano-trm are read"
        )
    for name, value in _NANO_OTHERS.items():
        if given.get(name) is value or (isinstance(value, str) and given.get(name) == value):
            raise HRMModelError(f"{path}: {name} is {value} in its hyper_parameters; no model here computes that")
    arch = _renamed(given, _NANO_ARCH)
    arch["pos_encodings"] = "rope" if given.get("pos_emb_type") == "1d" else "none"
    arch["no_ACT_continue"] = True
    return {"arch": arch, **_renamed(given, _NANO_TRAIN)}


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {theirs: values[ours] for ours, theirs in names.items() if ours in values}
