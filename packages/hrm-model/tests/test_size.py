"""The size of a model, computed from its configuration, is that of the model."""

import json
import struct
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hrm_model import HRM, GeometryConfig, HRMConfig, HRMModelError, check_memory, load_model, model_size, save_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten
from pydantic import ValidationError

BOARD = GeometryConfig(columns=4, groups=((0, 0, 1, 1) * 2 + (2, 2, 3, 3) * 2,), symbols=(2, 3, 4, 5), constants=(1,))
BASE: dict[str, Any] = {
    "H_layers": 1,
    "L_layers": 2,
    "hidden_size": 16,
    "num_heads": 2,
    "swiglu_multiple": 8,
    "puzzle_emb_ndim": 16,
    "halt_loss": "bce",
    "seq_len": 16,
    "vocab_size": 7,
    "num_puzzle_identifiers": 5,
    "geometry": BOARD,
}


def counted(config: HRMConfig) -> tuple[int, int]:
    """The parameters of a model that was made: all, and those of the table."""
    sizes = {name: array.size for name, array in tree_flatten(HRM(config).parameters())}
    return sum(sizes.values()), sizes.get("puzzle_emb.weight", 0)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["hrm", "trm", "transformer"]),
    st.sampled_from(["attention", "mlp", "groups", "neighbours"]),
    st.sampled_from(["rope", "rope2d", "learned", "grid", "none"]),
    st.booleans(),
    st.sampled_from(["bce", "none", "q_learning"]),
    st.sampled_from([0, 16, 40]),
    st.sampled_from([0, 3]),
    st.floats(0.1, 6),
)
def test_the_size_is_that_of_the_model_that_is_made(
    variant: str, mixer: str, positions: str, symbols: bool, halt: str, width: int, prefix: int, expansion: float
) -> None:
    changes = {
        "variant": variant,
        "mixer": mixer,
        "pos_encodings": positions,
        "symbol_equivariant": symbols,
        "halt_loss": halt,
        "puzzle_emb_ndim": width,
        "puzzle_emb_len": prefix,
        "expansion": expansion,
    }
    try:
        config = HRMConfig(**{**BASE, **changes})
    except ValidationError:  # a combination that no model has
        return
    size = model_size(config)
    assert (size.parameters, size.table) == counted(config)


def test_a_model_that_cannot_fit_is_refused_with_both_numbers_and_nothing_is_allocated() -> None:
    config = HRMConfig(**{**BASE, "hidden_size": 2**16, "puzzle_emb_ndim": 0, "num_heads": 2**12, "L_layers": 1000})
    before = mx.get_peak_memory()
    with pytest.raises(HRMModelError, match=r"parameters .* needs at least [\d,]+\.\d GiB .* machine has 16\.0 GiB"):
        check_memory(config, memory=2**34)
    assert mx.get_peak_memory() == before


def test_what_needs_more_is_refused_sooner() -> None:
    config = HRMConfig(**BASE)
    needed = [
        next(memory for memory in range(0, 2**22, 256) if fits(config, memory, **how))
        for how in ({"bits": 4}, {}, {"batch_size": 4}, {"batch_size": 4, "training": True})
    ]
    assert needed == sorted(set(needed))


def fits(config: HRMConfig, memory: int, **how: Any) -> bool:
    try:
        check_memory(config, memory=memory, **how)
    except HRMModelError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("H_layers", 10**9),
        ("L_layers", 2000),
        ("H_cycles", 10**6),
        ("hidden_size", 2**31),
        ("expansion", 1e300),
        ("halt_max_steps", 10**11),
        ("seq_len", 10**9),
        ("vocab_size", 10**9),
        ("num_puzzle_identifiers", 2**31),
        ("puzzle_emb_len", 10**9),
        ("swiglu_multiple", 10**9),
        ("rope_theta", 1e300),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_what_the_bound_protects(
    tmp_path: Path, make_model: Any, name: str, value: float
) -> None:
    with pytest.raises(ValidationError, match=r"should be at most [\d,.e+]+, which \w+"):
        HRMConfig(**{**BASE, "num_heads": 1, name: value})
    path = tmp_path / "model.safetensors"
    save_weights(make_model(), path)
    rewrite(path, lambda config: config.update({name: value}))
    with pytest.raises(HRMModelError, match=f"{name} .*should be at most"):
        load_model(path)


@pytest.mark.parametrize("changes", [{"expansion": 1e-9}, {"expansion": 0.02, "mixer": "mlp", "hidden_size": 512}])
def test_a_layer_without_a_width_is_a_fault_of_the_configuration(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"expansion .* leaves a feed-forward layer over \d+ without a width"):
        HRMConfig(**{**BASE, "puzzle_emb_ndim": 0, **changes})


def test_a_file_that_claims_a_model_larger_than_the_memory_is_refused_before_it_is_made(
    tmp_path: Path, make_model: Any
) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(make_model(), path)
    rewrite(path, lambda config: config.update(hidden_size=2**16, num_heads=2**12, H_layers=1000))
    with pytest.raises(HRMModelError, match=r"needs at least .* GiB"):
        load_model(path)
    rewrite(path, lambda config: config.update(hidden_size=512, num_heads=8, H_layers=4))
    with pytest.raises(HRMModelError, match=r"describes .* parameters, but it holds"):
        load_model(path)


def rewrite(path: Path, change: Any) -> None:
    """Change the configuration in the metadata of a weight file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    config = json.loads(header["__metadata__"]["config"])
    change(config)
    header["__metadata__"]["config"] = json.dumps(config)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, make_model: Any, number: float) -> None:
    model = make_model()
    weight = model.L_level.layers[0].mlp.down_proj.weight
    weight[3, 2] = number
    path = tmp_path / "model.safetensors"
    save_weights(model, path)
    with pytest.raises(HRMModelError, match=r"L_level.layers.0.mlp.down_proj.weight holds numbers that are not finite"):
        load_model(path)


def test_weights_that_are_no_float32_are_refused_by_name(tmp_path: Path, make_model: Any) -> None:
    model = make_model()
    model.lm_head.weight = model.lm_head.weight.astype(mx.int32)
    save_weights(model, tmp_path / "model.safetensors")
    with pytest.raises(HRMModelError, match=r"lm_head.weight should be .*float32, but is .*int32"):
        load_model(tmp_path / "model.safetensors")
