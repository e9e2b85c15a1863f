import math
from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, Batch
from mlx.utils import tree_flatten


def count(model: HRM) -> int:
    return sum(p.size for _, p in tree_flatten(model.parameters()))


def state(model: HRM, seed: int, batch_size: int = 2) -> mx.array:
    shape = (batch_size, model.config.total_len, model.config.hidden_size)
    return mx.random.normal(shape, key=mx.random.key(seed))


@pytest.mark.parametrize("cycles", [(1, 1), (2, 2), (3, 1), (1, 3)])
def test_no_gradient_reaches_the_incoming_states(cycles: tuple[int, int], make_model: Callable[..., HRM]) -> None:
    model = make_model(H_cycles=cycles[0], L_cycles=cycles[1])
    z_H, z_L, x = (state(model, seed) for seed in range(3))
    g_H, g_L, g_x = mx.grad(lambda *zs: model(*zs).logits.square().sum(), argnums=[0, 1, 2])(z_H, z_L, x)
    assert not g_H.any().item()
    assert not g_L.any().item()
    assert g_x.any().item()


@pytest.mark.parametrize("cycles", [(1, 1), (2, 2), (3, 1), (1, 3), (3, 2)])
def test_the_gradient_is_that_of_the_last_update_of_each_module(
    cycles: tuple[int, int], make_model: Callable[..., HRM]
) -> None:
    N, T = cycles
    model = make_model(H_cycles=N, L_cycles=T)
    z_H, z_L, x = (state(model, seed) for seed in range(3))
    rope = model.rope()

    # The calls in the order of the paper, states before the last L call kept as constants.
    before_H, before_L = z_H, z_L
    for call in range(1, N * T):
        before_L = model.L_level(before_L, before_H + x, rope)
        if call % T == 0:
            before_H = model.H_level(before_H, before_L, rope)
    mx.eval(before_H, before_L)

    def head(z: mx.array) -> mx.array:
        return model.lm_head(z[:, model.config.prefix_len :]).square().sum() + model.q_values(z).square().sum()

    def last_step(parameters: dict) -> mx.array:
        model.update(parameters)
        z_L = model.L_level(before_L, before_H + x, rope)
        return head(model.H_level(before_H, z_L, rope))

    def whole(parameters: dict) -> mx.array:
        out = model.update(parameters)(z_H, z_L, x)
        return out.logits.square().sum() + out.q_logits.square().sum()

    parameters = model.trainable_parameters()
    (value, ours), (expected_value, expected) = (mx.value_and_grad(f)(parameters) for f in (whole, last_step))
    assert value.item() == pytest.approx(expected_value.item(), rel=1e-5)
    for (name, a), (_, b) in zip(tree_flatten(ours), tree_flatten(expected), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-4, err_msg=name)


def test_the_states_that_come_out_carry_no_gradient(make_model: Callable[..., HRM]) -> None:
    model = make_model()
    z = state(model, 0)
    gradient = mx.grad(lambda x: sum(s.square().sum() for s in model(z, z, x)[:2]))(z)
    assert not gradient.any().item()


@pytest.mark.parametrize(("E", "prefix"), [(0, 0), (1, 1), (16, 1), (20, 2), (48, 3)])
def test_the_puzzle_embedding_is_padded_with_zeros_and_put_in_front(
    E: int, prefix: int, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(puzzle_emb_ndim=E)
    batch = make_batch(model.config)
    rows = model.puzzle_rows(batch["puzzle_identifiers"])
    x = np.array(model.embed(batch["inputs"], rows))
    D = model.config.hidden_size
    assert x.shape == (4, prefix + 16, D)
    flat = x[:, :prefix].reshape(4, -1) / math.sqrt(D)
    if rows is None:
        assert E == 0
    else:
        np.testing.assert_allclose(flat[:, :E], np.array(rows), rtol=1e-6)
        assert not flat[:, E:].any()
    tokens = np.array(model.embed_tokens.weight)[np.array(batch["inputs"])]
    np.testing.assert_allclose(x[:, prefix:], math.sqrt(D) * tokens, rtol=1e-6)


def test_learned_positions_are_added_to_prefix_and_tokens_and_keep_the_variance(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model(pos_encodings="learned", puzzle_emb_ndim=20)
    batch = make_batch(model.config)
    rows = model.puzzle_rows(batch["puzzle_identifiers"])
    x = model.embed(batch["inputs"], rows)
    model.embed_pos.weight = mx.zeros_like(model.embed_pos.weight)
    without = model.embed(batch["inputs"], rows)
    model_pos = make_model(pos_encodings="learned", puzzle_emb_ndim=20).embed_pos.weight
    np.testing.assert_allclose(np.array(x - without), np.broadcast_to(math.sqrt(8) * model_pos, x.shape), atol=1e-5)
    assert model.rope() is None


def test_sequences_of_a_batch_do_not_see_each_other(
    make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    model = make_model()
    batch = make_batch(model.config)
    x = model.embed(batch["inputs"], model.puzzle_rows(batch["puzzle_identifiers"]))
    z = state(model, 0, 4)
    np.testing.assert_allclose(
        np.array(model(z, z, x).logits[1:2]), np.array(model(*[a[1:2] for a in (z, z, x)]).logits), atol=1e-5
    )


def test_values_are_read_off_the_first_position_in_float32(make_model: Callable[..., HRM]) -> None:
    model = make_model()
    z = state(model, 0).astype(mx.bfloat16)
    q = model.q_values(z)
    assert (q.shape, q.dtype) == ((2, 2), mx.float32)
    assert mx.array_equal(q, model.q_values(mx.concatenate([z[:, :1], mx.zeros_like(z[:, 1:])], axis=1)))


def test_a_new_model_values_halting_and_continuing_at_minus_five(make_config: Callable[..., object]) -> None:
    model = HRM(make_config())
    assert model.q_values(state(model, 0)).tolist() == [[-5.0, -5.0]] * 2
    assert not model.puzzle_emb.weight.any().item()


def test_puzzle_table_and_initial_states_are_parameters_but_not_trainable(make_model: Callable[..., HRM]) -> None:
    model = make_model()
    frozen = dict(tree_flatten(model.parameters())).keys() - dict(tree_flatten(model.trainable_parameters())).keys()
    assert frozen == {"puzzle_emb.weight", "H_init", "L_init"}


def test_the_published_sudoku_model_has_27_275_266_parameters() -> None:
    from hrm_model import HRMConfig

    model = HRM(HRMConfig(seq_len=81, vocab_size=11, num_puzzle_identifiers=1))
    D = model.config.hidden_size
    # The published number leaves out the two initial states, which are buffers there, and the table, which is sparse.
    assert count(model) - 2 * D - D == 27_275_266


@pytest.mark.parametrize("pos_encodings", ["rope", "learned"])
def test_bfloat16_is_near_float32(
    pos_encodings: str, make_model: Callable[..., HRM], make_batch: Callable[..., Batch]
) -> None:
    outputs = []
    for dtype in ("float32", "bfloat16"):
        model = make_model(forward_dtype=dtype, pos_encodings=pos_encodings, puzzle_emb_ndim=20)
        batch = make_batch(model.config)
        x = model.embed(batch["inputs"], model.puzzle_rows(batch["puzzle_identifiers"]))
        z = mx.broadcast_to(model.H_init.astype(model.config.dtype), x.shape)
        out = model(z, z, x)
        assert {out.z_H.dtype, out.z_L.dtype, out.logits.dtype} == {model.config.dtype}
        assert out.q_logits.dtype == mx.float32
        outputs.append(np.array(out.logits.astype(mx.float32)))
    exact, rounded = outputs
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 0 < error < 0.05
