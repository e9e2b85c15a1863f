"""The published relatives compute the equations of their sources, with the parts of the one model."""

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hrm_model import HRM, Batch, HRMConfig, Predictor, act_step, fill_halted_slots, initial_carry
from mlx.utils import tree_flatten
from pydantic import ValidationError

PAPER = {"forward_dtype": "float32", "seq_len": 81, "vocab_size": 11, "num_puzzle_identifiers": 1}
TRM = {"variant": "trm", "L_layers": 2, "H_cycles": 3, "L_cycles": 6, "halt_loss": "bce", "puzzle_emb_len": 16}


def state(model: HRM, seed: int) -> mx.array:
    shape = (2, model.config.total_len, model.config.hidden_size)
    return mx.random.normal(shape, key=mx.random.key(seed))


def blocks(model: HRM) -> int:
    """Weights of the modules, without embeddings and heads."""
    return sum(a.size for name, a in tree_flatten(model.parameters()) if "_level" in name)


@pytest.mark.parametrize("mixer", ["attention", "mlp"])
@pytest.mark.parametrize(("n", "T"), [(1, 1), (3, 1), (2, 3)])
def test_a_tiny_recursive_model_recurses_as_its_paper_says_and_learns_from_the_whole_last_recursion(
    mixer: str, n: int, T: int, make_model: Callable[..., HRM]
) -> None:
    model = make_model(variant="trm", mixer=mixer, L_cycles=n, H_cycles=T, L_layers=2, halt_loss="bce")
    y0, z0, x = (state(model, seed) for seed in range(3))
    rope = model.rope()

    def net(total: mx.array) -> mx.array:
        for layer in model.L_level.layers:
            total = layer(total, rope=rope)
        return total

    def latent_recursion(y: mx.array, z: mx.array) -> tuple[mx.array, mx.array]:
        for _ in range(n):
            z = net(x + y + z)
        return net(y + z), z

    y, z = y0, z0
    for _ in range(T - 1):
        y, z = latent_recursion(y, z)
    mx.eval(y, z)

    def head(y: mx.array) -> mx.array:
        logits = model.lm_head(y[:, model.config.prefix_len :])
        return logits.square().sum() + model.q_head(y[:, 0])[:, 0].square().sum()

    def last(parameters: dict) -> mx.array:
        model.update(parameters)
        return head(latent_recursion(y, z)[0])

    def whole(parameters: dict) -> mx.array:
        out = model.update(parameters)(y0, z0, x)
        return out.logits.square().sum() + out.q_logits[:, 0].square().sum()

    parameters = model.trainable_parameters()
    (value, ours), (expected_value, expected) = (mx.value_and_grad(f)(parameters) for f in (whole, last))
    assert value.item() == pytest.approx(expected_value.item(), rel=1e-5)
    for (name, a), (_, b) in zip(tree_flatten(ours), tree_flatten(expected), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_flat_transformer_runs_once_and_all_its_layers_learn(make_model: Callable[..., HRM]) -> None:
    model = make_model(variant="transformer", H_layers=3, H_cycles=2, L_cycles=5)
    z_H, z_L, x = (state(model, seed) for seed in range(3))
    expected = z_H + x
    for layer in model.H_level.layers:
        expected = layer(expected, rope=model.rope())
    out = model(z_H, z_L, x)
    assert mx.array_equal(out.z_H, expected)
    assert mx.array_equal(out.z_L, z_L)
    g_H, g_x = mx.grad(lambda z, x: model(z, z_L, x).logits.square().sum(), argnums=[0, 1])(z_H, x)
    assert not g_H.any().item()
    assert g_x.any().item()
    gradients = nn.value_and_grad(model, lambda m: m(z_H, z_L, x).logits.square().sum())(model)[1]
    assert all(g.any().item() for name, g in tree_flatten(gradients) if "layers" in name)


def test_a_mixer_mixes_positions_by_a_gated_unit_and_normalises_over_them(make_model: Callable[..., HRM]) -> None:
    model = make_model(variant="trm", mixer="mlp", L_layers=1)
    block, x = model.L_level.layers[0], np.array(state(model, 0), np.float64)

    def swiglu(weights: nn.Module, values: np.ndarray) -> np.ndarray:
        gate, up = np.split(values @ np.array(weights.gate_up_proj.weight, np.float64).T, 2, axis=-1)
        return (gate / (1 + np.exp(-gate)) * up) @ np.array(weights.down_proj.weight, np.float64).T

    def rms(values: np.ndarray) -> np.ndarray:
        return values / np.sqrt(np.square(values).mean(-1, keepdims=True) + 1e-5)

    across = x.transpose(0, 2, 1)
    mixed = rms(across + swiglu(block.mlp_t, across)).transpose(0, 2, 1)
    expected = rms(mixed + swiglu(block.mlp, mixed))
    ours = block(mx.array(x.astype(np.float32)))
    np.testing.assert_allclose(np.array(ours), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.array(block(mx.array(x.astype(np.float32)), first=3)), expected[:, :3], atol=1e-4)


def test_their_sizes_are_the_published_ones() -> None:
    hrm = HRM(HRMConfig(**PAPER))
    flat = HRM(HRMConfig(variant="transformer", H_layers=8, **PAPER))
    assert blocks(hrm) == blocks(flat)  # "similarly sized", the ARC Prize's ablation
    attention, mlp = (HRM(HRMConfig(**TRM, mixer=mixer, **PAPER)) for mixer in ("attention", "mlp"))
    assert round(blocks(attention) / 1e6) == 7  # as arXiv 2510.04871 counts them
    assert round(blocks(mlp) / 1e6) == 5


def test_a_puzzle_embedding_can_take_more_positions_than_it_fills(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(puzzle_emb_len=3)
    batch = make_batch(model.config)
    x = model.embed(batch["inputs"], model.puzzle_rows(batch["puzzle_identifiers"]))
    assert model.config.prefix_len == 3
    assert x.shape[1] == 3 + model.config.seq_len
    assert not x[:, 1:3].any().item()
    with pytest.raises(ValidationError, match="puzzle_emb_len 1 positions of 16 do not hold puzzle_emb_ndim 20"):
        make_model(puzzle_emb_len=1, puzzle_emb_ndim=20)


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "trm", "halt_loss": "bce"},
        {"variant": "trm", "mixer": "mlp", "pos_encodings": "none", "halt_loss": "bce"},
        {"variant": "transformer"},
        {"variant": "hrm", "mixer": "mlp"},
        {"variant": "hrm", "pos_encodings": "none"},
    ],
)
def test_acting_and_predicting_are_the_same_code_for_all(
    changes: dict, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(halt_max_steps=2, **changes)  # more would amplify rounding
    batch = make_batch(model.config)
    carry = initial_carry(model.config, 4)
    for _ in range(model.config.halt_max_steps):
        carry = fill_halted_slots(model, carry, batch)
        rows = model.puzzle_rows(carry["puzzle_identifiers"])
        carry, out = act_step(model, carry, rows, training=False)
    prediction = Predictor(model)(batch)
    np.testing.assert_allclose(np.array(prediction.logits), np.array(out.logits), rtol=1e-3, atol=1e-3)
    training = act_step(model, carry, rows, training=True)[1]
    assert (training.target_q_continue is None) == (model.config.halt_loss == "bce")


@pytest.mark.parametrize("mixer", ["attention", "mlp"])
def test_the_width_of_a_feed_forward_layer_is_a_multiple_of_the_given_number(
    mixer: str, make_model: Callable[..., HRM]
) -> None:
    wide, narrow = (make_model(mixer=mixer, swiglu_multiple=multiple).L_level.layers[0].mlp for multiple in (256, 8))
    assert wide.down_proj.weight.shape == (16, 256)
    assert narrow.down_proj.weight.shape == (16, 16)
