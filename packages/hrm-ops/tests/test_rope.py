from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest
from hrm_ops import HRMOpsError, _rope, apply_rope, grid_rope_tables, rope, rope_tables
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


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), "2"])
def test_a_scale_that_is_no_finite_number_is_refused(scale: object) -> None:
    with pytest.raises(HRMOpsError, match=r"\[rope\] scale must be a finite number, but is"):
        rope(mx.zeros((1, 1, 4, 8)), scale=scale)  # type: ignore[arg-type]


def test_half_precision_stays_half_precision() -> None:
    assert apply_rope(normal(0, 1, 1, 3, 4).astype(mx.bfloat16), *rope_tables(3, 4)).dtype == mx.bfloat16


def test_odd_head_size_is_refused() -> None:
    with pytest.raises(HRMOpsError, match=r"\[rope_tables\] dims must be even, but is 7"):
        rope_tables(4, 7)


@pytest.mark.parametrize("table", [rope_tables(4, 8), rope_tables(5, 6)])
def test_tables_of_another_length_or_size_are_refused(table: tuple[mx.array, mx.array]) -> None:
    with pytest.raises(HRMOpsError, match=r"\[apply_rope\] cos and sin must be \(5, 4\)"):
        apply_rope(mx.zeros((1, 1, 5, 8)), *table)


LAYOUTS = st.sampled_from(["bhld", "blhd"])


@settings(deadline=None, max_examples=30)
@given(
    SEEDS,
    EVEN,
    st.booleans(),
    LAYOUTS,
    st.integers(0, 300),
    st.sampled_from([100.0, 10000.0, 5e5]),
    st.sampled_from([0.25, 1, 1.5]),
)
def test_rope_agrees_with_mlx_in_every_convention(
    seed: int, dims: int, traditional: bool, layout: str, offset: int, base: float, scale: float
) -> None:
    x = normal(seed, 2, 3, 5, dims)
    theirs = mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset)
    ours = rope(
        x if layout == "bhld" else x.swapaxes(1, 2),
        base=base,
        scale=scale,
        offset=offset,
        traditional=traditional,
        layout=layout,  # type: ignore[arg-type]
    )
    ours = ours if layout == "bhld" else ours.swapaxes(1, 2)
    np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=3e-4)  # float32 angles of up to 300 radians


@settings(deadline=None, max_examples=20)
@given(SEEDS, EVEN, st.booleans(), LAYOUTS, st.lists(st.integers(0, 50), min_size=3, max_size=3))
def test_offsets_can_differ_in_a_batch(
    seed: int, dims: int, traditional: bool, layout: str, offsets: list[int]
) -> None:
    x = normal(seed, 3, 4, 5, dims)
    options = {"traditional": traditional, "layout": layout}
    together = rope(x, offset=mx.array(offsets), **options)  # type: ignore[arg-type]
    alone = [rope(x[i : i + 1], offset=offset, **options) for i, offset in enumerate(offsets)]  # type: ignore[arg-type]
    np.testing.assert_allclose(np.array(together), np.array(mx.concatenate(alone)), atol=1e-4)
    length = x.shape[1 if layout == "blhd" else 2]
    tables = [mx.stack(t) for t in zip(*(rope_tables(length, dims, offset=o) for o in offsets), strict=True)]
    np.testing.assert_allclose(np.array(apply_rope(x, *tables, **options)), np.array(together), atol=1e-4)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=20)
@given(SEEDS, EVEN, st.booleans())
def test_the_gradient_of_a_rotation_is_the_rotation_back(seed: int, dims: int, traditional: bool) -> None:
    x, c = normal(seed, 1, 2, 5, dims), normal(seed + 1, 1, 2, 5, dims)
    gradient = mx.grad(lambda x: (rope(x, traditional=traditional) * c).sum())(x)
    cos, sin = rope_tables(5, dims)
    back = apply_rope(c, cos, -sin, traditional=traditional)
    np.testing.assert_allclose(np.array(gradient), np.array(back), atol=1e-5)


def test_tables_are_computed_once_for_all_lengths_up_to_a_power_of_two() -> None:
    _rope._tables.cache_clear()
    for length in (65, 100, 128):
        rope_tables(length, 8)
        rope_tables(length - 64, 8, offset=64)
    assert _rope._tables.cache_info().misses == 1


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16, mx.float16])
def test_rope_keeps_the_dtype(dtype: mx.Dtype, traditional: bool) -> None:
    x = normal(0, 1, 2, 3, 4).astype(dtype)
    for offset in (2, mx.array([2])):
        assert rope(x, offset=offset, traditional=traditional).dtype == dtype


X = mx.zeros((2, 3, 5, 8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rope(X[0]), r"\[rope\] x must have 4 axes \(b h l d\), but is \(3, 5, 8\)"),
        (lambda: rope(X[..., :7]), r"\[rope\] the heads of x must have an even size, but x is \(2, 3, 5, 7\)"),
        (lambda: rope(X.astype(mx.int32)), r"\[rope\] x must be floating point, but is mlx.core.int32"),
        (lambda: rope(X, offset=-1), r"\[rope\] offset must be an int of at least 0, but is -1"),
        (
            lambda: rope(X, offset=mx.array([1])),
            r"\[rope\] offset must be an int or an int array \(2,\), but is .* \(1,\)",
        ),
        (lambda: rope(X, offset=mx.zeros((2,))), r"\[rope\] offset must be an int .* but is mlx.core.float32 \(2,\)"),
        (lambda: rope(X, offset=1.5), r"\[rope\] offset must be an int of at least 0, but is 1.5"),
        (lambda: apply_rope(X, [1.0], [1.0]), r"\[apply_rope\] cos must be an mlx.core.array, but is a list"),
        (lambda: rope(X, base=0), r"\[rope_tables\] base must be greater than 0, but is 0"),
        (lambda: rope(X, layout="ld"), r"\[rope\] layout must be 'bhld' or 'blhd', but is 'ld'"),
        (lambda: rope_tables(-1, 4), r"\[rope_tables\] length and offset must be ints of at least 0, but are -1 and 0"),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(HRMOpsError, match=f"^{message}"):
        call()


PLACES = st.integers(0, 30)


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from([4, 8, 64]), PLACES, PLACES, PLACES, PLACES, PLACES, PLACES)
def test_scores_on_a_grid_depend_on_the_distances_of_rows_and_columns(
    seed: int, dims: int, row: int, column: int, row_2: int, column_2: int, down: int, right: int
) -> None:
    rows = mx.array([row, row_2, row + down, row_2 + down])
    columns = mx.array([column, column_2, column + right, column_2 + right])
    q, k = (mx.broadcast_to(normal(seed + n, 1, 1, 1, dims), (1, 1, 4, dims)) for n in range(2))
    tables = grid_rope_tables(rows, columns, dims)
    scores = np.array(apply_rope(q, *tables) @ apply_rope(k, *tables).swapaxes(-1, -2))[0, 0]
    np.testing.assert_allclose(scores[0, 1], scores[2, 3], rtol=1e-4, atol=1e-4 * dims)


def test_a_grid_of_one_column_turns_half_the_pairs_like_a_sequence() -> None:
    cos, _ = grid_rope_tables(mx.arange(9), mx.zeros(9, mx.int32), 16)
    np.testing.assert_allclose(cos[:, :4], rope_tables(9, 8)[0], rtol=1e-5)
    np.testing.assert_array_equal(cos[:, 4:], 1)


@pytest.mark.parametrize(
    ("rows", "columns", "dims", "base", "message"),
    [
        (mx.arange(3), mx.arange(3), 6, 10.0, "multiple of 4, but is 6"),
        (mx.arange(3), mx.arange(3), 8, 0.0, "base must be greater than 0"),
        (mx.arange(3), mx.arange(4), 8, 10.0, r"\(3,\) and \(4,\)"),
    ],
)
def test_grid_tables_name_what_does_not_fit(
    rows: mx.array, columns: mx.array, dims: int, base: float, message: str
) -> None:
    with pytest.raises(HRMOpsError, match=message):
        grid_rope_tables(rows, columns, dims, base)
