"""Boards with the names of their rows and columns."""

from __future__ import annotations

import pytest
from hrm_data import BoardText, HRMDataError
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

BOXES = [(2, 2), (2, 3), (2, 4), (3, 3)]
ROWS = [
    "A | ",
    "1: ",
    "1) ",
    "1. ",
    "r1 ",
    "R1: ",
    "a ",
    "1|",
    "Row 1: ",
    "1,",
    "| A | ",
    "1 ",
    "1:",
    "A  ",
    "A\t",
    "[1] ",
]
COLUMNS = ["numbers", "letters", "c1", "C1", "joined", "boxes", "bars", "from 0", "none", "rule"]
CELLS = ["plain", "spaced", "bars", "boxes", "framed"]


def labels_of(style: str, n: int) -> list[str]:
    """The style with its `A`, `a` or `1` replaced, for each row."""
    kind = next(char for char in style if char in "Aa1")
    return [style.replace(kind, chr(ord(kind) + at)) for at in range(n)]


def header_of(style: str, n: int, width: int) -> list[str]:
    numbers = "123456789"[:n]
    boxes = [" ".join(numbers[at : at + width]) for at in range(0, n, width)]
    line = {
        "numbers": "    " + " ".join(numbers),
        "letters": "  " + " ".join("ABCDEFGHI"[:n]),
        "c1": " ".join(f"c{number}" for number in numbers),
        "C1": "  | " + " | ".join(f"C{number}" for number in numbers),
        "joined": "  " + "abcdefghi"[:n],
        "boxes": "    " + "   ".join(boxes),
        "bars": "  | " + " | ".join(boxes) + " |",
        "from 0": ",".join(["", *"012345678"[:n]]),
        "rule": "  " + " ".join(numbers),
    }.get(style)
    return [] if line is None else [line, "-" * (2 * n + 4)] if style == "rule" else [line]


def cells_of(row: str, style: str, width: int) -> str:
    parts = [row[at : at + width] for at in range(0, len(row), width)]
    return {
        "plain": row,
        "spaced": " ".join(row),
        "bars": " | ".join(" ".join(part) for part in parts),
        "boxes": " ".join(parts),
        "framed": "| " + " | ".join(" ".join(part) for part in parts) + " |",
    }[style]


@given(st.data())
def test_labelled_boards_are_found_and_a_mistake_is_one_error(data: st.DataObject) -> None:
    box = data.draw(st.sampled_from(BOXES))
    n, width = box[0] * box[1], box[1]
    task = SudokuTask(box)
    lines: list[str] = []
    expected, wrong = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        style, cells = data.draw(st.sampled_from(ROWS)), data.draw(st.sampled_from(CELLS))
        is_blank_space = cells == "framed" and style not in ("1,", "1|", "1. ") and data.draw(st.booleans())
        blank = " " if is_blank_space else data.draw(st.sampled_from(".0_?x"))
        rng = data.draw(st.randoms(use_true_random=False))
        rows = [
            "".join(rng.choice("123456789"[:n]) if rng.random() < 0.5 else blank for _ in range(n)) for _ in range(n)
        ]
        rows = [f"1{blank}{rows[0][2:]}", *rows[1:]]
        board = "".join(rows).replace(blank, ".")
        is_wrong = not is_blank_space and data.draw(st.booleans())
        if is_wrong:
            rows[-1] = "z" + rows[-1][1:]
        lines += ["", *data.draw(st.sampled_from([[], ["Grid 3"], ["# a comment"]]))]
        lines += header_of(data.draw(st.sampled_from(COLUMNS)), n, width)
        (wrong if is_wrong else expected).append((len(lines) + 1, board))
        lines += [label + cells_of(row, cells, width) for label, row in zip(labels_of(style, n), rows, strict=True)]
    found, failed = [], []
    for number, text in task.find_puzzles(lines):
        try:
            found.append((number, task.text(task.parse(text))))
        except HRMDataError as error:
            failed.append((number, "'z'" in str(error)))
    assert (found, failed) == (expected, [(number, True) for number, _ in wrong])


@pytest.mark.parametrize(
    "text",
    [
        "1 2 3 4\n-------\n1 2 . .\n3 4 . .\n2 . 4 .\n. 3 . 1",  # a line below the names, no names of rows
        "1 2   3 4\n| 1 2 | . . |\n| 3 4 | . . |\n| 2 . | 4 . |\n| . 3 | . 1 |",
        "  A B C D\n\nA 12..\nB 34..\n\nC 2.4.\nD .3.1",  # in bands
        "| | a | b | c | d |\n|-|-|-|-|-|\n| 1 | 1 | 2 | | |\n| 2 | 3 | 4 | | |\n| 3 | 2 | | 4 | |\n| 4 | | 3 | | 1 |",
        "{'r1': [1, 2, 0, 0],\n'r2': [3, 4, 0, 0],\n'r3': [2, 0, 4, 0],\n'r4': [0, 3, 0, 1]}",
        "A 12  \nB 34  \nC 2 4 \nD  3 1",
    ],
)
def test_other_layouts_with_names_are_read(text: str) -> None:
    task = SudokuTask((2, 2))
    ((_, found),) = task.find_puzzles(text.split("\n"))
    assert task.text(task.parse(found)) == "12..34..2.4..3.1"


@pytest.mark.parametrize("first", ["1234", "1 2 3 4", "[[1,2,3,4],", "|1|2|3|4|", '"1234",', "|12|34|", "(1 2 3 4)"])
def test_a_first_row_in_the_order_of_the_columns_is_a_row(first: str) -> None:
    lines = [first, *(first.replace("[[", "[").replace("1", "#").replace("3", "1").replace("#", "3") for _ in range(3))]
    ((number, text),) = SudokuTask((2, 2)).find_puzzles(lines)
    assert (number, "".join(text.split())) == (1, "1234" + "3214" * 3)


def test_rows_of_two_boards_are_not_joined_over_labels() -> None:
    rows = ["1: 12..", "2: 34..", "1: 12..", "2: 34..", "3: 2.4.", "4: .3.1", "6: 1..."]
    assert list(SudokuTask((2, 2)).find_puzzles(rows)) == [
        (1, "12..\n34.."),
        (3, "12..\n34..\n2.4.\n.3.1"),
        (7, "1..."),
    ]


def test_a_labelled_row_with_a_missing_cell_is_an_error_of_its_board() -> None:
    assert list(SudokuTask((2, 2)).find_puzzles(["1: 12..", "2: 34.", "3: 2.4.", "4: .3.1"])) == [
        (1, "12..\n34.\n2.4.\n.3.1")
    ]


def test_letters_without_i_and_other_tasks_have_labels() -> None:
    rows = [f"{label} {'.' * 8}1" for label in "ABCDEFGHJ"]
    assert len(list(SudokuTask().find_puzzles(rows))) == 1
    layout = BoardText(rows=2, columns=3, cells="abc")
    assert list(layout.find(["  1 2 3", "A|ab.", "B|.ca"])) == [(2, "ab.\n.ca")]


def test_numbers_of_any_length_are_no_names_of_columns() -> None:
    row = f'[[1, "{"9" * 5000}", 0, 4], [0, 0, 3, 0], [2, 0, 0, 0], [4, 0, 0, 1]]'
    task = SudokuTask((2, 2))
    assert [text for _, text in task.find_puzzles([row, "1..4..3.2...4..1"])][-1] == "1..4..3.2...4..1"
