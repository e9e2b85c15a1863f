"""The modules are plain mlx.nn modules: parameters, quantize, save_weights, repr; and what each computes."""

from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest
from hrm_ops import (
    Attention,
    Embedding,
    HRMOpsError,
    Linear,
    MinimalTransformer,
    RMSNorm,
    SwiGLU,
    TransformerBlock,
    attention,
    rms_norm,
    rope,
    rope_tables,
    swiglu,
)
from hrm_ops._swiglu import gated_halves
from hrm_ops.linux._kernels import is_active
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

SEEDS = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


def close(a: mx.array, b: mx.array, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(np.array(a), np.array(b), rtol=rtol, atol=atol)


def names(module: nn.Module) -> set[str]:
    return {name for name, _ in tree_flatten(module.parameters())}


def model(dtype: mx.Dtype = mx.float32, **options: object) -> MinimalTransformer:
    mx.random.seed(0)
    return MinimalTransformer(11, dims=64, num_heads=4, num_layers=2, dtype=dtype, **options)  # type: ignore[arg-type]


TOKENS = mx.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.permutations(range(6)))
def test_self_attention_without_positions_commutes_with_permutations(seed: int, order: list[int]) -> None:
    mx.random.seed(seed)
    layer, x, order_ = Attention(16, 2), normal(seed, 2, 6, 16), mx.array(order)
    close(layer(x[:, order_]), layer(x)[:, order_])


@pytest.mark.parametrize("given_in", ["constructor", "call"])
def test_rotary_positions_make_self_attention_see_the_order(given_in: str) -> None:
    mx.random.seed(0)
    base = 10000.0 if given_in == "constructor" else None
    tables = rope_tables(6, 8) if given_in == "call" else None
    layer, x, order = Attention(16, 2, rope_base=base), normal(0, 2, 6, 16), mx.array([1, 0, 2, 3, 4, 5])
    assert mx.abs(layer(x[:, order], rope=tables) - layer(x, rope=tables)[:, order]).max().item() > 1e-3


def test_fused_projection_holds_queries_keys_and_values_in_that_order() -> None:
    mx.random.seed(0)
    layer, x = Attention(16, 4, num_kv_heads=2, rope_base=100.0), normal(0, 2, 3, 16)
    w_q, w_k, w_v = mx.split(layer.qkv_proj.weight, [16, 24])
    q, k, v = ((x @ w.T).reshape(2, 3, -1, 4) for w in (w_q, w_k, w_v))
    q, k = (rope(a, base=100.0, layout="blhd") for a in (q, k))
    expected = attention(q, k, v, layout="blhd", backend="reference").reshape(2, 3, 16) @ layer.o_proj.weight.T
    close(layer(x), expected)


@pytest.mark.parametrize("mask", [None, "causal", "rows", "keys"])
@pytest.mark.parametrize("first", [1, 3, 5])
def test_the_first_positions_alone_are_those_of_all(mask: str | None, first: int) -> None:
    mx.random.seed(0)
    array = {"rows": mx.tril(mx.ones((5, 5), mx.bool_)), "keys": mx.arange(5) != 2}
    chosen = array.get(mask, mask) if mask else None
    for norm in ("post", "pre"):
        block, x = TransformerBlock(16, 2, 2.0, norm=norm, rope_base=10000.0), normal(0, 2, 5, 16)
        close(block(x, first=first, mask=chosen), block(x, mask=chosen)[:, :first])


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("mask", [None, "causal"])
@pytest.mark.parametrize("first", [None, 2])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_the_larger_pieces_that_a_gpu_computes_give_the_same_block_and_gradients(
    norm: str, mask: str | None, first: int | None, kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mx.random.seed(0)
    block = TransformerBlock(32, 4, 2.0, norm=norm, num_kv_heads=kv_heads, rope_base=100.0)  # type: ignore[arg-type]
    x, weights = normal(0, 2, 5, 32), block.trainable_parameters()

    def loss(weights: dict[str, object], x: mx.array) -> mx.array:
        block.update(weights)
        out = block(x, mask, first=first)
        return (out * normal(1, *out.shape)).sum()

    def results() -> tuple[mx.array, ...]:
        gradients = mx.grad(loss, argnums=(0, 1))(weights, x)
        block.update(weights)
        found = [block(x, mask, first=first), gradients[1], *(g for _, g in tree_flatten(gradients[0]))]
        mx.eval(found)
        return tuple(found)

    expected = results()
    with monkeypatch.context() as patch:
        patch.setattr(mx, "default_device", lambda: mx.Device(mx.gpu))
        found = results()
        half = block(x.astype(mx.bfloat16), mask, first=first)
        mx.eval(half)
    for one, other in zip(found, expected, strict=True):
        close(one, other, rtol=1e-3, atol=1e-4)
    assert half.dtype == mx.bfloat16
    close(half.astype(mx.float32), expected[0], rtol=0.1, atol=0.1)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.floats(0.01, 50))
def test_the_gated_unit_of_halves_is_that_of_both_and_so_is_its_gradient(seed: int, scale: float) -> None:
    x, cotangent = scale * normal(seed, 3, 5, 16), normal(seed + 1, 3, 5, 8)
    (out,), (gradient,) = mx.vjp(gated_halves, [x], [cotangent])
    (plain,), (slope,) = mx.vjp(lambda x: swiglu(*mx.split(x, 2, axis=-1)), [x], [cotangent])
    close(out, plain, atol=1e-5 * scale**2)
    close(gradient, slope, atol=1e-5 * scale)


@pytest.mark.parametrize("given_to", ["attention", "mlp"])
def test_a_residual_is_added_and_must_have_the_shape_of_the_result(given_to: str) -> None:
    mx.random.seed(0)
    block, x, residual = TransformerBlock(16, 2, 2.0), normal(0, 2, 5, 16), normal(1, 2, 5, 16)
    layer: Callable[..., mx.array] = block.self_attn if given_to == "attention" else block.mlp
    close(layer(x, residual=residual), residual + layer(x))
    for wrong in (residual[:1], residual[:, :4], residual[..., :8]):
        with pytest.raises(HRMOpsError, match=r"residual must be \(2, 5, 16\), but is"):
            layer(x, residual=wrong)


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.floats(0.01, 100))
def test_a_post_norm_block_ends_with_unit_root_mean_square(seed: int, scale: float) -> None:
    mx.random.seed(seed)
    out = TransformerBlock(16, 2, 2.0)(scale * normal(seed, 2, 5, 16))
    close(mx.sqrt(out.square().mean(axis=-1)), mx.ones((2, 5)), rtol=1e-3)


def test_a_pre_norm_block_adds_to_its_input_what_it_makes_of_the_normed_one() -> None:
    mx.random.seed(0)
    block, x = TransformerBlock(16, 2, 2.0, norm="pre"), normal(0, 2, 5, 16)
    middle = x + block.self_attn(rms_norm(x))
    close(block(x), middle + block.mlp(rms_norm(middle)))


def test_a_block_has_no_biases_and_by_default_no_norm_weights() -> None:
    weights = {
        "self_attn.qkv_proj.weight",
        "self_attn.o_proj.weight",
        "mlp.gate_up_proj.weight",
        "mlp.down_proj.weight",
    }
    assert names(TransformerBlock(16, 2, 2.0)) == weights
    gains = {"attn_norm.weight", "mlp_norm.weight"}
    assert names(TransformerBlock(16, 2, 2.0, norm_weight=True)) == weights | gains


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_rms_norm_module_is_the_function_with_a_float32_weight(dtype: mx.Dtype) -> None:
    layer, x = RMSNorm(8, eps=1e-3), normal(0, 3, 8).astype(dtype)
    layer.weight = normal(1, 8)
    assert layer(x).dtype == dtype
    close(layer(x).astype(mx.float32), rms_norm(x, layer.weight, 1e-3).astype(mx.float32))
    assert names(RMSNorm(8, weight=False)) == set()


def test_the_logits_of_a_causal_model_do_not_depend_on_later_tokens() -> None:
    net = model()
    close(net(TOKENS)[:, :3], net(TOKENS[:, :3]))


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_minimal_transformer_learns(dtype: mx.Dtype) -> None:
    net, optimizer = model(dtype), optim.Adam(3e-3)

    def loss(net: MinimalTransformer) -> mx.array:
        logits = net(TOKENS[:, :-1])
        assert logits.dtype == dtype
        return nn.losses.cross_entropy(logits.astype(mx.float32), TOKENS[:, 1:], reduction="mean")

    values = []
    for _ in range(20):
        value, gradients = nn.value_and_grad(net, loss)(net)
        optimizer.update(net, gradients)
        values.append(value.item())
    assert all(p.dtype == mx.float32 for _, p in tree_flatten(net.parameters()))
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("end", ["safetensors", "npz"])
def test_saved_weights_give_the_same_model(norm: str, end: str, tmp_path: Path) -> None:
    net, other = model(norm=norm), MinimalTransformer(11, dims=64, num_heads=4, num_layers=2, norm=norm)  # type: ignore[arg-type]
    net.save_weights(str(tmp_path / f"weights.{end}"))
    other.load_weights(str(tmp_path / f"weights.{end}"))
    assert mx.array_equal(other(TOKENS), net(TOKENS))


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
@pytest.mark.parametrize("mode", ["affine", "mxfp8"])
def test_a_quantized_model_gives_nearly_the_same_in_the_same_dtype(dtype: mx.Dtype, mode: str) -> None:
    net = model(dtype)
    exact = net(TOKENS).astype(mx.float32)
    nn.quantize(net, group_size=32, bits=8, mode=mode)
    assert "layers.0.self_attn.qkv_proj.scales" in names(net)
    assert "layers.0.mlp.gate_up_proj.scales" in names(net)
    assert "embed_tokens.scales" in names(net)
    got = net(TOKENS)
    assert got.dtype == dtype
    largest = mx.abs(exact).max().item()
    assert mx.abs(got.astype(mx.float32) - exact).max().item() < (0.05 if mode == "affine" else 0.25) * largest
    assert mx.abs(got.astype(mx.float32) - exact).max().item() > 0


def test_a_quantized_embedding_is_the_transposed_output_layer_too() -> None:
    mx.random.seed(0)
    table, x = Embedding(32, 64, std=1.0, dtype=mx.bfloat16), normal(0, 3, 64).astype(mx.bfloat16)
    exact = table.as_linear(x).astype(mx.float32)
    layer = table.to_quantized(group_size=32, bits=8)
    assert layer(mx.array([1])).dtype == layer.as_linear(x).dtype == mx.bfloat16
    close(layer.as_linear(x).astype(mx.float32), exact, rtol=0.05, atol=0.5)


def test_freezing_and_training_parts_works() -> None:
    net = model()
    net.freeze()
    net.lm_head.unfreeze()
    assert {name for name, _ in tree_flatten(net.trainable_parameters())} == {"lm_head.weight"}


def test_second_derivatives_are_refused_where_they_would_come_out_wrong() -> None:
    def twice(function: Callable[[mx.array], mx.array]) -> mx.array:
        x = normal(0, 2, 2, 200, 64)
        return mx.grad(lambda x: mx.grad(lambda x: function(x).square().sum())(x).sum())(x)

    with pytest.raises(HRMOpsError, match="attention and RMSNorm have no second derivatives"):
        twice(lambda x: attention(x, x, x, backend="chunked"))
    if is_active(X):
        with pytest.raises(HRMOpsError, match="attention and RMSNorm have no second derivatives"):
            twice(RMSNorm(64))
    close(twice(lambda x: rms_norm(x)), twice(lambda x: x * mx.rsqrt(x.square().mean(-1, keepdims=True) + 1e-5)))


def test_repr_names_the_sizes() -> None:
    text = repr(model())
    for part in ("dims=64, num_heads=4", "norm=pre", "input_dims=64, output_dims=11", "11, 64, dtype=", "eps=1e-05"):
        assert part in text


X = mx.zeros((2, 5, 16))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(16, 3), r"\[Attention\] num_heads must divide dims 16, but is 3"),
        (lambda: Attention(16, 0), r"\[Attention\] num_heads must divide dims 16, but is 0"),
        (lambda: Attention(16, 4, 3), r"\[Attention\] num_kv_heads must divide num_heads 4, but is 3"),
        (lambda: Attention(6, 2, rope_base=1e4), r"\[Attention\] rotary positions need heads of even size, but .* 3"),
        (lambda: Attention(8, 2)(X), r"\[Attention\] x must be \[B, L, 8\], but is \(2, 5, 16\)"),
        (lambda: Attention(16, 2)(X[0]), r"\[Attention\] x must be \[B, L, 16\], but is \(5, 16\)"),
        (
            lambda: Attention(16, 2)(X.astype(mx.int32)),
            r"\[Attention\] x must be floating point, but is mlx.core.int32",
        ),
        (lambda: Attention(16, 2)(X, mask=mx.zeros((3, 5))), r"\[attention\] mask must broadcast .* but is \(3, 5\)"),
        (lambda: TransformerBlock(16, 3, 2.0), r"\[Attention\] num_heads must divide dims 16, but is 3"),
        (
            lambda: TransformerBlock(16, 2, 2.0, norm="mid"),
            r"\[TransformerBlock\] norm must be 'post' or 'pre', .* 'mid'",
        ),  # type: ignore[arg-type]
        (lambda: Attention(16, 2)(X, first=6), r"\[Attention\] first must be one of the 5 positions of x, but is 6"),
        (lambda: Attention(16, 2)(X, first=0), r"\[Attention\] first must be one of the 5 positions of x, but is 0"),
        (
            lambda: TransformerBlock(16, 2, 2.0, norm="pre")(X[0, 0]),
            r"\[TransformerBlock\] x must be \[B, L, 16\], but is \(16,\)",
        ),
        (lambda: Embedding(3, 4, std=1)([1]), r"\[Embedding\] x must be an mlx.core.array, but is a list"),
        (lambda: RMSNorm(0), r"\[RMSNorm\] dims must be at least 1, but is 0"),
        (lambda: RMSNorm(8)(X), r"\[RMSNorm\] the last axis of x must be 8, but x is \(2, 5, 16\)"),
        (lambda: SwiGLU(8, 2.0)(X), r"\[SwiGLU\] the last axis of x must be 8, but x is \(2, 5, 16\)"),
        (lambda: SwiGLU(16, 2.0)(X > 0), r"\[SwiGLU\] x must be floating point, but is mlx.core.bool"),
        (lambda: Linear(0, 3), r"\[Linear\] input_dims and output_dims must be at least 1, but are 0 and 3"),
        (lambda: Linear(16, 3)(X.astype(mx.int32)), r"\[Linear\] x must be floating point, but is mlx.core.int32"),
        (lambda: Embedding(3, 0, std=1), r"\[Embedding\] num_embeddings and dims must be at least 1, but are 3 and 0"),
        (lambda: Embedding(3, 4, std=1)(X), r"\[Embedding\] x must be of an integer dtype, but is mlx.core.float32"),
        (
            lambda: Embedding(3, 4, std=1).as_linear(X),
            r"\[Embedding\] the last axis of x must be 4, but x is \(2, 5, 16\)",
        ),
        (lambda: MinimalTransformer(3, 16, 2, 0), r"\[MinimalTransformer\] num_layers must be at least 1, but is 0"),
        (lambda: model()(TOKENS[0]), r"\[MinimalTransformer\] tokens must be \[B, L\], but are \(5,\)"),
        (lambda: model()(X), r"\[MinimalTransformer\] x must be of an integer dtype, but is mlx.core.float32"),
    ],
)
def test_wrong_arguments_are_named_with_what_was_expected_and_what_came(make: object, message: str) -> None:
    with pytest.raises(HRMOpsError, match=f"^{message}"):
        make()  # type: ignore[operator]
