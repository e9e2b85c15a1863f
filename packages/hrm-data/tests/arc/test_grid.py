"""The ARC canvas, its augmentations and the ways back."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.arc import ArcAugmentation, ArcTask, crop, encode_grid, parse_identifier
from hrm_data.arc._copies import CODES, colours_of, transforms_of
from hrm_data.arc._grid import crop_sizes, mark_of
from hrm_data.symmetry import dihedral, undo_dihedral
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

sides = st.tuples(st.integers(1, 30), st.integers(1, 30))
grids = sides.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 9)))
augmentations = st.builds(
    lambda transform, colours: ArcAugmentation(transform, (0, *colours)),
    st.integers(0, 7),
    st.permutations(range(1, 10)),
)
canvases = hnp.arrays(np.uint8, (30, 30), elements=st.integers(0, 11), fill=st.integers(2, 11))


def slow_crop(canvas: np.ndarray) -> np.ndarray:
    """Tries every rectangle at the upper left corner; of equally large ones the first by rows."""
    best = (0, 0, 0)
    for rows in range(1, 31):
        for columns in range(1, 31):
            inside = canvas[:rows, :columns]
            if rows * columns > best[0] and (inside >= 2).all() and (inside <= 11).all():
                best = (rows * columns, rows, columns)
    return canvas[: best[1], : best[2]] - 2


@given(grids)
def test_a_grid_comes_back_from_its_tokens(grid: np.ndarray) -> None:
    assert np.array_equal(crop(encode_grid(grid)), grid)


@given(grids, st.data())
def test_a_canvas_has_the_grid_end_markers_right_of_it_and_below_and_nothing_else(
    grid: np.ndarray, data: st.DataObject
) -> None:
    height, width = grid.shape
    row, column = data.draw(st.integers(0, 30 - height)), data.draw(st.integers(0, 30 - width))
    canvas = encode_grid(grid, row, column).reshape(30, 30)
    for r in range(30):
        for c in range(30):
            y, x = r - row, c - column
            if 0 <= y < height and 0 <= x < width:
                expected = grid[y, x] + 2
            else:
                expected = int((y == height and 0 <= x < width) or (x == width and 0 <= y < height))
            assert canvas[r, c] == expected


def test_transforms_are_the_reference_s() -> None:
    """0 identity, 1 to 3 counter-clockwise turns, 4 left-right, 5 top-bottom, 6 transposed, 7 anti-transposed."""
    grid = np.array([[1, 2, 3], [4, 5, 6]])
    expected = [
        [[1, 2, 3], [4, 5, 6]],
        [[3, 6], [2, 5], [1, 4]],
        [[6, 5, 4], [3, 2, 1]],
        [[4, 1], [5, 2], [6, 3]],
        [[3, 2, 1], [6, 5, 4]],
        [[4, 5, 6], [1, 2, 3]],
        [[1, 4], [2, 5], [3, 6]],
        [[6, 3], [5, 2], [4, 1]],
    ]
    assert [dihedral(grid, transform).tolist() for transform in range(8)] == expected


@given(grids, st.integers(0, 7))
def test_a_transform_is_undone_exactly(grid: np.ndarray, transform: int) -> None:
    assert np.array_equal(undo_dihedral(dihedral(grid, transform), transform), grid)
    assert np.array_equal(dihedral(undo_dihedral(grid, transform), transform), grid)


@settings(max_examples=200)
@given(grids, augmentations, st.text(min_size=1))
def test_an_augmentation_is_undone_exactly_by_its_name(
    grid: np.ndarray, augmentation: ArcAugmentation, task: str
) -> None:
    name, found = parse_identifier(augmentation.name(task))
    assert name == task
    assert found == augmentation
    assert np.array_equal(found.undo(crop(encode_grid(augmentation.apply(grid)))), grid)


@given(canvases, augmentations)
def test_what_a_model_made_up_is_undone_too(canvas: np.ndarray, augmentation: ArcAugmentation) -> None:
    found = crop(canvas)
    back = augmentation.undo(found)
    assert np.array_equal(augmentation.apply(back), found)


@given(canvases)
def test_a_prediction_is_cropped_to_the_largest_rectangle_without_markers(canvas: np.ndarray) -> None:
    assert np.array_equal(crop(canvas.reshape(900)), slow_crop(canvas))


@given(hnp.arrays(np.int32, (3, 900), elements=st.integers(-5, 20), fill=st.just(5)))
def test_many_predictions_are_measured_at_once(tokens: np.ndarray) -> None:
    assert crop_sizes(tokens).tolist() == [list(crop(row).shape) for row in tokens]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], (0, 0)),  # nothing but padding
        ([[1, 5]], (0, 0)),  # begins with an end marker
        ([[0, 5], [5, 5]], (0, 0)),
        ([[5]], (1, 1)),
        ([[5, 5, 1], [5, 5, 1], [1, 1, 0]], (2, 2)),
        ([[5, 5, 5, 5], [5, 5, 1, 0], [1, 0, 0, 0]], (1, 4)),  # two of area 4: the one with fewer rows
        ([[5, 1], [5, 1], [5, 1], [0, 0]], (3, 1)),
        ([[5, 5, 1], [5, 0, 0], [5, 5, 5]], (3, 1)),
        ([[7] * 30] * 30, (30, 30)),  # no end marker at all
    ],
)
def test_degenerate_predictions_have_a_grid_too(rows: list[list[int]], expected: tuple[int, int]) -> None:
    canvas = np.zeros((30, 30), int)
    for number, row in enumerate(rows):
        canvas[number, : len(row)] = row
    assert crop(canvas).shape == expected


@pytest.mark.parametrize(
    "name", ["007bbfb7", "AboveBelow1", "a_t8_0123456789", "a_t1_1023456789", "a_t1_0113456789", "_t1_0123456789", ""]
)
def test_other_names_are_those_of_original_tasks(name: str) -> None:
    assert parse_identifier(name) == (name, None)


def test_codes_are_all_transforms_with_all_permutations_of_nine_colours() -> None:
    codes = np.arange(CODES)
    assert [tuple(row) for row in colours_of(codes[: CODES // 8]).tolist()] == [
        (0, *rest) for rest in permutations(range(1, 10))
    ]
    assert np.array_equal(np.bincount(transforms_of(codes)), np.full(8, CODES // 8))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([], "expected a list of rows"),
        ([[]], "has 0 cells in row 0"),
        ([[1, 2], [3]], "has 1 cells in row 1 and 2 in row 0"),
        ([[1, 10]], "holds 10 in row 0, column 1"),
        ([[1, -1]], "holds -1 in row 0, column 1"),
        ([[1, 2.0]], "holds 2.0 in row 0, column 1"),
        ([[True]], "holds True in row 0, column 0"),
        ([["1"]], "holds '1' in row 0, column 0"),
        ([[None]], "holds None in row 0, column 0"),
        ([[[1]]], r"holds \[1\] in row 0, column 0"),
        ([1, 2], "expected a list of rows"),
        ("12", "is '12'; expected a list of rows"),
        ([[0] * 31], "is 1x31; at most 30x30 fits"),
        ([[0]] * 31, "is 31x1; at most 30x30 fits"),
        (np.zeros((2, 2, 2), np.uint8), "in row 0, column 0"),
    ],
)
def test_what_is_no_grid_is_refused(grid: object, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        encode_grid(grid)


def test_a_grid_that_leaves_the_canvas_is_refused() -> None:
    for place in ((0, 29), (29, 0), (-1, 0), (0, -1)):
        with pytest.raises(HRMDataError, match="leaves the 30x30 canvas"):
            encode_grid(np.zeros((2, 2), int), *place)


@pytest.mark.parametrize(
    ("transform", "colours", "message"),
    [
        (8, range(10), "transform is 8"),
        (-1, range(10), "transform is -1"),
        (0, range(9), "permutation of 0..9"),
        (0, [1, 0, *range(2, 10)], "that keeps 0"),
        (0, [0, 1, 1, *range(3, 10)], "permutation of 0..9"),
    ],
)
def test_what_is_no_augmentation_is_refused(transform: int, colours: list[int], message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        ArcAugmentation(transform, tuple(colours))
    if transform not in range(8):
        with pytest.raises(HRMDataError, match=message):
            dihedral(np.zeros((1, 1)), transform)


@given(st.text("ab_|t0123456789", min_size=1), st.integers(0, 7), st.permutations(range(1, 10)))
def test_identifiers_of_tinyrecursivemodels_name_the_same_copies(task: str, transform: int, others: list[int]) -> None:
    change = ArcAugmentation(transform, (0, *others))
    digits = "".join(map(str, change.colours))
    theirs = f"{task}|||t{transform}|||{digits}"
    assert parse_identifier(theirs) == (task, change)
    assert mark_of(["<blank>", "x_t1_0123456789", theirs]) == "|||"
    assert mark_of(["<blank>", change.name("x")]) == mark_of([]) == "_"


def test_a_name_that_looks_like_a_copy_is_a_task_where_copies_have_the_other_mark() -> None:
    original = ArcTask().originals(["<blank>", "a_t1_0123456789", "a_t1_0123456789|||t2|||0213456789"])
    assert original("a_t1_0123456789").name == "a_t1_0123456789"
    assert original("a_t1_0123456789|||t2|||0213456789").name == "a_t1_0123456789"
    assert ArcTask().originals(["<blank>", "a", "a_t1_0123456789"])("a_t1_0123456789").name == "a"
