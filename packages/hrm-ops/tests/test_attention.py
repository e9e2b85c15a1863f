import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import Attention, HRMOpsError, TransformerBlock, attention, rope_tables
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


def close(a: mx.array, b: mx.array, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.array(a), np.array(b), rtol=rtol, atol=atol)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 8, 32]))
def test_attention_is_softmax_of_scaled_scores_times_values(seed: int, H: int, L: int, S: int, d: int) -> None:
    q, k, v = normal(seed, 2, H, L, d), normal(seed + 1, 2, H, S, d), normal(seed + 2, 2, H, S, d)
    close(attention(q, k, v), mx.softmax(q @ k.swapaxes(-1, -2) / d**0.5, axis=-1) @ v)
    close(attention(q, k, v), mx.fast.scaled_dot_product_attention(q, k, v, scale=d**-0.5))


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.permutations(range(7)))
def test_attention_does_not_depend_on_the_order_of_keys_and_values(seed: int, order: list[int]) -> None:
    q, k, v = normal(seed, 2, 2, 5, 8), normal(seed + 1, 2, 2, 7, 8), normal(seed + 2, 2, 2, 7, 8)
    order_ = mx.array(order)
    close(attention(q, k[:, :, order_], v[:, :, order_]), attention(q, k, v))


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.permutations(range(6)))
def test_self_attention_without_positions_commutes_with_permutations(seed: int, order: list[int]) -> None:
    mx.random.seed(seed)
    layer, x, order_ = Attention(16, 2), normal(seed, 2, 6, 16), mx.array(order)
    close(layer(x[:, order_]), layer(x)[:, order_])


def test_rotary_positions_make_self_attention_see_the_order() -> None:
    mx.random.seed(0)
    layer, x, order = Attention(16, 2), normal(0, 2, 6, 16), mx.array([1, 0, 2, 3, 4, 5])
    rope = rope_tables(6, 8)
    assert mx.abs(layer(x[:, order], rope) - layer(x, rope)[:, order]).max().item() > 1e-3


def test_every_position_sees_every_other() -> None:
    q, k, v = normal(0, 1, 1, 4, 8), normal(1, 1, 1, 4, 8), normal(2, 1, 1, 4, 8)
    sensitivity = mx.grad(lambda v: attention(q, k, v)[0, 0, 0].sum())(v)
    assert (mx.abs(sensitivity).sum(axis=-1) > 0).all().item()


def test_fused_projection_holds_queries_keys_and_values_in_that_order() -> None:
    mx.random.seed(0)
    layer, x = Attention(8, 1), normal(0, 1, 3, 8)
    w_q, w_k, w_v = mx.split(layer.qkv_proj.weight, 3)
    q, k, v = ((x @ w.T)[:, None] for w in (w_q, w_k, w_v))
    close(layer(x), attention(q, k, v)[:, 0] @ layer.o_proj.weight.T)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(HRMOpsError, match=r"\[Attention\] num_heads must divide dims 16, but is 3"):
        Attention(16, 3)


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.floats(0.01, 100))
def test_a_block_ends_with_unit_root_mean_square(seed: int, scale: float) -> None:
    mx.random.seed(seed)
    out = TransformerBlock(16, 2, 2.0)(scale * normal(seed, 2, 5, 16))
    close(mx.sqrt(out.square().mean(axis=-1)), mx.ones((2, 5)), rtol=1e-3)


def test_a_block_has_no_biases_and_no_norm_weights() -> None:
    from mlx.utils import tree_flatten

    names = {name for name, _ in tree_flatten(TransformerBlock(16, 2, 2.0).parameters())}
    assert names == {
        "self_attn.qkv_proj.weight",
        "self_attn.o_proj.weight",
        "mlp.gate_up_proj.weight",
        "mlp.down_proj.weight",
    }
