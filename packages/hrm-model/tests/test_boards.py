"""Models that know the board: renaming of symbols, boards of other sizes, positions on a grid."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hrm_model import HRM, GeometryConfig, HRMConfig, HRMModelError, Predictor, resized
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

SYMBOLS, CONSTANT = (2, 3, 4, 5), (1,)


def geometry(rows: int = 4, cols: int = 4, symbols: tuple[int, ...] = SYMBOLS, **changes: Any) -> GeometryConfig:
    boxes = tuple(r // 2 * 2 + c // 2 for r in range(rows) for c in range(cols))
    return GeometryConfig(**{"columns": cols, "groups": (boxes,), "symbols": symbols, **changes})


def board_config(**changes: Any) -> HRMConfig:
    fields: dict[str, Any] = {
        "H_layers": 1,
        "L_layers": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "expansion": 1.5,
        "swiglu_multiple": 16,
        "puzzle_emb_ndim": 0,
        "halt_max_steps": 3,
        "halt_loss": "bce",
        "forward_dtype": "float32",
        "symbol_equivariant": True,
        "mixer": "groups",
        "pos_encodings": "none",
        "seq_len": 16,
        "vocab_size": 6,
        "num_puzzle_identifiers": 2,
        "geometry": geometry(),
    }
    return HRMConfig(**{**fields, **changes})


def make(**changes: Any) -> HRM:
    mx.random.seed(0)
    model = HRM(board_config(**changes))
    if model.config.halt_loss == "bce":
        model.q_head.weight = mx.random.normal(model.q_head.weight.shape)
    if model.config.puzzle_emb_ndim:
        model.puzzle_emb.weight = mx.random.normal(model.puzzle_emb.weight.shape)
    return model


def answer(model: HRM, inputs: np.ndarray, identifier: int = 0) -> tuple[np.ndarray, np.ndarray]:
    identifiers = mx.full((len(inputs),), identifier, mx.int32)
    prediction = Predictor(model)({"inputs": mx.array(inputs), "puzzle_identifiers": identifiers})
    return np.array(prediction.logits), np.array(prediction.q_halt_logits)


VARIANTS = [
    {},
    {"variant": "trm", "L_cycles": 2},
    {"variant": "transformer"},
    {"mixer": "attention", "pos_encodings": "rope2d"},
    {"mixer": "attention", "pos_encodings": "grid"},
    {"mixer": "attention", "pos_encodings": "learned"},
    {"mixer": "attention", "pos_encodings": "rope", "variant": "trm"},
    {"mixer": "neighbours"},
    {"geometry": geometry(constants=CONSTANT)},
    {"halt_loss": "none"},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1), st.permutations(SYMBOLS))
def test_renamed_symbols_rename_the_answer_and_change_nothing_else(
    variant: dict[str, Any], seed: int, order: list[int]
) -> None:
    model = make(**variant)
    inputs = np.random.default_rng(seed).integers(0, 6, (2, 16)).astype(np.int32)
    renamed = np.arange(6)
    renamed[list(SYMBOLS)] = order
    logits, q = answer(model, inputs)
    other, other_q = answer(model, renamed[inputs].astype(np.int32))
    np.testing.assert_allclose(other[..., renamed], logits, rtol=0, atol=2e-4)
    np.testing.assert_allclose(other_q, q, rtol=0, atol=2e-4)


def test_constants_are_told_apart_and_tokens_without_a_plane_are_never_answered() -> None:
    model = make(geometry=geometry(symbols=(4, 5), constants=(2, 3)))
    inputs = np.array([[2, 3, 4, 5] * 4], np.int32)
    swapped = np.array([[3, 2, 4, 5] * 4], np.int32)
    logits, _ = answer(model, inputs)
    assert np.abs(answer(model, swapped)[0][..., [0, 1, 3, 2, 4, 5]] - logits).max() > 1e-3
    assert (logits[..., [0, 1]] < -1000).all()
    assert set(logits.argmax(axis=-1).flat) <= {2, 3, 4, 5}


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_groups_see_nothing_but_who_shares_them(seed: int) -> None:
    """Rows within a band of boxes can change places: the answer's rows change places with them."""
    model = make()
    inputs = np.random.default_rng(seed).integers(1, 6, (1, 4, 4)).astype(np.int32)
    order = [1, 0, 2, 3]
    logits, q = answer(model, inputs.reshape(1, 16))
    moved, moved_q = answer(model, inputs[:, order].reshape(1, 16))
    np.testing.assert_allclose(moved.reshape(1, 4, 4, 6), logits.reshape(1, 4, 4, 6)[:, order], rtol=0, atol=2e-4)
    np.testing.assert_allclose(moved_q, q, rtol=0, atol=2e-4)


def test_a_neighbour_is_seen_after_each_block_one_step_further() -> None:
    model = make(symbol_equivariant=False, mixer="neighbours", variant="transformer", halt_max_steps=1)
    inputs = np.ones((1, 16), np.int32)
    changed = inputs.copy()
    changed[0, 0] = 2
    apart = np.abs(answer(model, inputs)[0] - answer(model, changed)[0]).max(axis=-1).reshape(4, 4) > 0
    assert apart.tolist() == [[row < 2 and col < 2 for col in range(4)] for row in range(4)]


@pytest.mark.parametrize("mixer", ["groups", "attention"])
def test_weights_answer_boards_of_another_size(mixer: str) -> None:
    small = make(mixer=mixer, pos_encodings="none" if mixer == "groups" else "rope2d")
    digits = tuple(range(2, 8))
    boxes = tuple(r // 2 * 2 + c // 3 for r in range(6) for c in range(6))
    board = GeometryConfig(columns=6, groups=(boxes,), symbols=digits)
    large = resized(small, 36, 8, board)
    inputs = np.random.default_rng(0).integers(1, 8, (2, 36)).astype(np.int32)
    logits, _ = answer(large, inputs)
    assert logits.shape == (2, 36, 8)
    assert (logits[..., :2] < -1000).all()
    again = resized(large, 16, 6, geometry())
    tokens = np.random.default_rng(1).integers(1, 6, (1, 16)).astype(np.int32)
    np.testing.assert_array_equal(answer(again, tokens)[0], answer(small, tokens)[0])


@pytest.mark.parametrize("changes", [{"pos_encodings": "learned"}, {"pos_encodings": "grid"}])
def test_weights_of_single_positions_fit_one_size(changes: dict[str, Any]) -> None:
    model = make(**changes)
    digits = tuple(range(2, 11))
    board = GeometryConfig(columns=9, groups=(tuple([0] * 81),), symbols=digits)
    with pytest.raises(HRMModelError, match="another size: its weight embed_"):
        resized(model, 81, 11, board)


def test_rotary_positions_in_two_dimensions_depend_on_both_offsets() -> None:
    """Attention without other positions sees how far rows and columns are apart: shifting the board changes nothing."""
    model = make(symbol_equivariant=False, mixer="attention", pos_encodings="rope2d", halt_loss="bce")
    rope = model.rope()
    assert rope is not None
    cos, sin = (np.array(table).reshape(4, 4, 4) for table in rope)
    np.testing.assert_allclose(cos[:, :1, :2].repeat(4, axis=1), cos[..., :2])  # the first half turns with the row
    np.testing.assert_allclose(cos[:1, :, 2:].repeat(4, axis=0), cos[..., 2:])  # the second with the column
    np.testing.assert_allclose(sin[2, 0, :2], sin[0, 2, 2:], rtol=1e-6)


def test_the_sum_of_grid_positions_is_equal_only_where_row_column_and_group_are() -> None:
    model = make(symbol_equivariant=False, mixer="attention", pos_encodings="grid")
    x = np.array(model.embed(mx.full((1, 16), 2), None))[0]
    assert len(np.unique(x.round(5), axis=0)) == 16
    rows = x.reshape(4, 4, -1)
    # the same box and rows: what changes from column 0 to 1 does not depend on the row
    np.testing.assert_allclose(rows[0, 1] - rows[0, 0], rows[1, 1] - rows[1, 0], atol=1e-5)


def test_the_puzzle_embedding_of_a_board_model_reaches_every_position_and_plane() -> None:
    model = make(puzzle_emb_ndim=16)
    assert model.puzzle_emb.weight.shape == (2, 16 + 6)
    inputs = mx.full((1, 16), 2)
    rows = model.puzzle_rows(mx.array([1]))
    difference = np.array(model.embed(inputs, rows) - model.embed(inputs, mx.zeros_like(rows))).reshape(4, 16, 16)
    expected = np.array(model.puzzle_emb.weight[1])
    for plane, token in enumerate(SYMBOLS):
        np.testing.assert_allclose(
            difference[plane, 7], 4 * (expected[:16] + expected[16 + token]), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"geometry": None}, "need to know the board"),
        ({"mixer": "mlp"}, "another mixer than mlp"),
        ({"halt_loss": "q_learning"}, "has no bootstrap pass; choose bce or none"),
        ({"puzzle_emb_ndim": 8}, "must be 0 or the hidden_size 16"),
        ({"geometry": GeometryConfig(columns=4)}, "names no symbols"),
        ({"geometry": geometry(symbols=(2, 2))}, "different tokens below 6"),
        ({"geometry": geometry(symbols=(2, 9))}, "different tokens below 6"),
        ({"geometry": geometry(groups=((0, 1),))}, "a group names 2 tokens"),
        ({"mixer": "neighbours", "geometry": geometry(columns=5)}, "do not fill rows of 5"),
        ({"mixer": "attention", "pos_encodings": "rope2d", "num_heads": 8}, "multiple of 4"),
    ],
)
def test_what_cannot_be_built_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        board_config(**changes)


def test_weights_carry_the_board(tmp_path: Any, make_config: Callable[..., HRMConfig]) -> None:
    from hrm_model import load_model, save_weights

    model = make()
    save_weights(model, tmp_path / "board.safetensors")
    loaded = load_model(tmp_path / "board.safetensors")
    assert loaded.config == model.config
    tokens = np.random.default_rng(1).integers(1, 6, (1, 16)).astype(np.int32)
    np.testing.assert_array_equal(answer(loaded, tokens)[0], answer(model, tokens)[0])


def test_without_a_halting_loss_the_probability_of_all_tokens_decides() -> None:
    model = make(halt_loss="none")
    assert "q_head" not in model
    logits, q = answer(model, np.random.default_rng(0).integers(1, 6, (3, 16)).astype(np.int32))
    likeliest = np.exp(logits.max(axis=-1) - np.logaddexp.reduce(logits, axis=-1))
    np.testing.assert_allclose(1 / (1 + np.exp(-q)), likeliest.prod(axis=-1), rtol=1e-3)
