import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import HRMOpsError, apply_rope, rope_tables
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)
EVEN = st.sampled_from([2, 4, 8, 64])


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 100), EVEN)
def test_rotation_keeps_norms(seed: int, length: int, dims: int) -> None:
    x = normal(seed, 2, 1, length, dims)
    rotated = apply_rope(x, *rope_tables(length, dims))
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(SEEDS, EVEN, st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_scores_depend_only_on_the_distance_of_positions(seed: int, dims: int, i: int, j: int, shift: int) -> None:
    length = 81
    q, k = (mx.broadcast_to(normal(seed + n, 1, 1, 1, dims), (1, 1, length, dims)) for n in range(2))
    tables = rope_tables(length, dims)
    scores = (apply_rope(q, *tables) @ apply_rope(k, *tables).swapaxes(-1, -2))[0, 0]
    scale = float(np.linalg.norm(q[0, 0, 0]) * np.linalg.norm(k[0, 0, 0]))
    assert scores[i, j].item() == pytest.approx(scores[i + shift, j + shift].item(), abs=1e-5 * scale)


@settings(deadline=None, max_examples=10)
@given(SEEDS, EVEN)
def test_position_zero_is_not_rotated(seed: int, dims: int) -> None:
    x = normal(seed, 1, 2, 5, dims)
    assert mx.array_equal(apply_rope(x, *rope_tables(5, dims))[:, :, 0], x[:, :, 0])


def test_pairs_are_the_two_halves_and_the_first_turns_by_one_radian_a_position() -> None:
    x = mx.zeros((1, 1, 4, 8)).at[..., 0].add(1)
    rotated = np.array(apply_rope(x, *rope_tables(4, 8)))[0, 0]
    np.testing.assert_allclose(rotated[:, 0], np.cos(np.arange(4)), atol=1e-6)
    np.testing.assert_allclose(rotated[:, 4], np.sin(np.arange(4)), atol=1e-6)
    assert not rotated[:, [1, 2, 3, 5, 6, 7]].any()


def test_rotation_agrees_with_mlx() -> None:
    x = normal(0, 2, 3, 50, 16)
    theirs = mx.fast.rope(x, 16, traditional=False, base=10000.0, scale=1.0, offset=0)
    np.testing.assert_allclose(np.array(apply_rope(x, *rope_tables(50, 16))), np.array(theirs), atol=2e-5)


def test_half_precision_stays_half_precision() -> None:
    assert apply_rope(normal(0, 1, 1, 3, 4).astype(mx.bfloat16), *rope_tables(3, 4)).dtype == mx.bfloat16


def test_odd_head_size_is_refused() -> None:
    with pytest.raises(HRMOpsError, match=r"\[rope_tables\] dims must be even, but is 7"):
        rope_tables(4, 7)


@pytest.mark.parametrize("table", [rope_tables(4, 8), rope_tables(5, 6)])
def test_tables_of_another_length_or_size_are_refused(table: tuple[mx.array, mx.array]) -> None:
    with pytest.raises(HRMOpsError, match=r"\[apply_rope\] cos and sin must be \(5, 4\)"):
        apply_rope(mx.zeros((1, 1, 5, 8)), *table)
