from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hrm_data import HRMDataError, Task, get_task
from hrm_data.dataset import find_faults, splits_of
from hrm_data.sudoku import SudokuTask, generate_sudoku
from hrm_data.task import read_task
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

TEXT = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"

PICTURE = """\
+-------+-------+
| 1 2 . | . . 6 |
| . . . | . . . |
+-------+-------+
| . . . | . . . |
| . . . | . . . |
+-------+-------+
| . . . | . . . |
| . . 5 | . . . |
+-------+-------+"""


@given(st.sampled_from([(2, 2), (2, 3), (3, 2), (3, 3)]), st.data())
def test_encode_then_decode_is_the_text(box: tuple[int, int], data: st.DataObject) -> None:
    task = SudokuTask(box)
    text = data.draw(
        st.text(alphabet=".123456789"[: box[0] * box[1] + 1], min_size=task.seq_len, max_size=task.seq_len)
    )
    tokens = task.encode(task.parse(text))
    assert task.text(task.decode(tokens)) == text
    assert tokens.dtype == np.int32
    assert tokens.tolist() == [1 if char == "." else int(char) + 1 for char in text]
    assert (task.decode(tokens) == task.parse(text)).all()


def test_all_signs_for_a_blank_and_white_space_are_read() -> None:
    task = SudokuTask()
    board = task.parse(TEXT)
    for sign in "0*_-xX?":
        assert (task.parse(TEXT.replace(".", sign)) == board).all()
    lines = "\n ".join(TEXT[i : i + 9] for i in range(0, 81, 9)) + "\n"
    assert (task.parse(lines) == board).all()
    assert board.dtype == np.uint8
    assert board.shape == (9, 9)


@pytest.mark.parametrize(
    ("box", "text", "message"),
    [
        ((3, 3), TEXT[:20] + "x" + TEXT[21:], r"'x' at position 21 \(row 3, column 3\)"),
        ((3, 3), "٣" + TEXT[1:], "'٣' at position 1 "),
        ((2, 2), "1234" * 3 + "1235", r"'5' at position 16 \(row 4, column 4\) is not allowed; use the digits 1\.\.4"),
        ((3, 3), TEXT[:-1], "80 characters.*81.*16.*36.*81"),
        ((3, 3), "", "0 characters"),
        ((2, 3), TEXT[:0] + "." * 16, "16 characters.*has 36 in sudoku-2x3"),
    ],
)
def test_wrong_text_is_named(box: tuple[int, int], text: str, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        SudokuTask(box).parse(text)


@given(st.sampled_from([(2, 2), (2, 3), (3, 2), (3, 3)]), st.data())
def test_violations_are_the_repeated_digits_of_rows_columns_and_boxes(
    board_units, box: tuple[int, int], data: st.DataObject
) -> None:
    task = SudokuTask(box)
    n = box[0] * box[1]
    cells = data.draw(arrays(np.uint8, (n, n), elements=st.integers(0, n)))
    flat = cells.ravel().tolist()
    expected = np.zeros(n * n, bool)
    for unit in board_units(box):
        for cell in unit:
            expected[cell] |= flat[cell] > 0 and sum(flat[other] == flat[cell] for other in unit) > 1
    assert (task.violations(cells) == expected.reshape(n, n)).all()


def test_an_answer_must_be_full_obey_the_rules_and_keep_the_clues() -> None:
    task = SudokuTask()
    puzzle, answer = task.parse(TEXT), task.parse(ANSWER)
    assert task.check(puzzle, answer)
    assert task.check(puzzle.ravel(), answer.ravel())
    for cell in (0, 2, 80):
        for digit in range(10):
            wrong = answer.ravel().copy()
            wrong[cell] = digit
            assert task.check(puzzle, wrong) == (digit == answer.ravel()[cell])
    relabelled = answer % 9 + 1
    assert not task.violations(relabelled).any()
    assert not task.check(puzzle, relabelled)


def test_contradicting_clues_are_named() -> None:
    task = SudokuTask()
    task.check_puzzle(task.parse(TEXT))
    with pytest.raises(HRMDataError, match="digit 5 at row 1 column 1, row 1 column 9 repeats"):
        task.check_puzzle(task.parse("5.......5" + "." * 72))
    with pytest.raises(HRMDataError, match="digit 7 at row 2 column 2, row 3 column 3"):
        task.check_puzzle(task.parse("........." + ".7......." + "..7......" + "." * 54))


def test_a_board_is_drawn_with_lines_between_boxes() -> None:
    task = SudokuTask((2, 3))
    assert str(task.render(task.parse("12...6" + "." * 24 + "..5..."))) == PICTURE
    assert str(task.render(np.zeros((6, 6), int))).count("+-------+-------+") == 4
    assert SudokuTask((3, 2)).render(np.zeros((6, 6), int)).lines[0] == "+-----+-----+-----+"


def test_tasks_are_found_by_name_by_description_and_by_directory(sudoku: Path) -> None:
    assert get_task("sudoku") == SudokuTask((3, 3))
    assert get_task({"task": "sudoku", "box": [2, 3], "more": 1}) == SudokuTask((2, 3))
    assert get_task(sudoku) == get_task(sudoku / "task.json") == get_task(str(sudoku)) == SudokuTask((2, 2))
    assert splits_of(str(sudoku)) == splits_of(sudoku) == ["train", "test"]
    assert find_faults(str(sudoku)) == find_faults(sudoku)
    assert read_task(str(sudoku)) == read_task(sudoku)
    for box in ((2, 2), (2, 3), (3, 3)):
        task = SudokuTask(box)
        assert get_task(task.to_json()) == task
        assert isinstance(task, Task)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("chess", "'chess' is unknown; known tasks are .*sudoku"),
        ({"task": "sudoku", "box": [1, 9]}, "1x9 is not supported"),
        ({"box": [3, 3]}, "field task is None"),
        ({"task": "sudoku", "box": 3}, "box shape 3 is not a pair"),
        (Path("/nonexistent"), "task.json does not exist"),
    ],
)
def test_unknown_tasks_are_refused(task: object, message: str) -> None:
    with pytest.raises(HRMDataError, match=message):
        get_task(task)


def test_wrong_tokens_and_boards_are_refused() -> None:
    task = SudokuTask((2, 2))
    with pytest.raises(HRMDataError, match=r"tokens are int64 \(15,\)"):
        task.decode(np.ones(15, int))
    with pytest.raises(HRMDataError, match=r"tokens are in 1\.\.6; expected 0\.\.5"):
        task.decode(np.array([1] * 15 + [6]))
    with pytest.raises(HRMDataError, match="board holds 2 boards"):
        task.encode(np.zeros((2, 16), int))


def test_pad_and_blank_both_read_as_blank() -> None:
    assert (SudokuTask((2, 2)).decode(np.array([0, 1] * 8)) == 0).all()


def test_the_augmentation_is_that_of_the_board() -> None:
    task = SudokuTask((2, 3))
    made = generate_sudoku(4, (2, 3))
    tokens = np.stack([task.encode(p) for p in made.puzzles]), np.stack([task.encode(s) for s in made.solutions])
    inputs, labels = task.augment(hints=1.0)(*tokens, np.random.default_rng(0))
    assert all(task.check(task.decode(x), task.decode(y)) for x, y in zip(inputs, labels, strict=True))
