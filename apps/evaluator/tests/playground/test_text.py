"""Pasted text in the layouts that people use becomes the puzzle's tokens; other text gets one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import ArcTask, Task
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hrm_evaluator.playground._board import describe_board
from hrm_evaluator.playground._examples import new_examples
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow
SUDOKU, SMALL, MAZE, ARC = SudokuTask((3, 3)), SudokuTask((2, 3)), MazeTask(7), ArcTask("arc1")
Rows = list[str]


def boxed(rows: Rows, bar: str, rule: str, cells: Callable[[str], str]) -> str:
    """Rows with a bar between boxes of three columns and a rule between every three rows."""
    lines = [bar + bar.join(cells(row[at : at + 3]) for at in range(0, len(row), 3)) + bar for row in rows]
    blocks = ["\n".join(lines[at : at + 3]) for at in range(0, len(lines), 3)]
    return f"{rule}\n" + f"\n{rule}\n".join(blocks) + f"\n{rule}\n"


SUDOKU_LAYOUTS: dict[str, Callable[[Rows], str]] = {
    "one line": "".join,
    "two lines": lambda rows: "".join(rows)[:40] + "\n" + "".join(rows)[40:],
    "rows": "\n".join,
    "rows of Windows": "\r\n".join,
    "indented rows": lambda rows: "\n\n   " + "\n   ".join(rows) + "\n\n",
    "slashes": "/".join,
    "spaced": lambda rows: "\n".join(" ".join(row) for row in rows),
    "commas": lambda rows: "\n".join(",".join(row) for row in rows),
    "empty fields": lambda rows: "\n".join(",".join(row).replace(".", "") for row in rows),
    "tabs": lambda rows: "\n".join("\t".join(row).replace(".", "") for row in rows),
    "quoted": lambda rows: "\n".join(f'"{row}",' for row in rows),
    "JSON": lambda rows: json.dumps([[int(char) if char != "." else 0 for char in row] for row in rows]),
    "JSON in lines": lambda rows: json.dumps([[int(c) if c != "." else 0 for c in row] for row in rows], indent=1),
    "spaces are blanks": lambda rows: "\n".join(row.replace(".", " ").rstrip() for row in rows),
    "spaces between spaces": lambda rows: "\n".join(" ".join(row).replace(".", " ").rstrip() for row in rows),
    "spaces in one line": lambda rows: "".join(rows).replace(".", " "),
    "wide digits": lambda rows: "\n".join(
        "".join(chr(0xFF10 + int(c)) if c != "." else c for c in row) for row in rows
    ),
    "table": lambda rows: "\n".join("| " + " | ".join(row) + " |" for row in rows),
    "table with spaces": lambda rows: "\n".join("| " + " | ".join(row).replace(".", " ") + " |" for row in rows),
    "boxes": lambda rows: boxed(rows, "|", "+-------+-------+-------+", lambda cells: f" {' '.join(cells)} "),
    "narrow boxes": lambda rows: boxed(rows, "|", "+---+---+---+", str),
    "boxes of stars": lambda rows: boxed(rows, "|", "*---+---+---*", str),
    "boxes with spaces": lambda rows: boxed(rows, "|", "+---+---+---+", lambda cells: cells.replace(".", " ")),
    "drawn boxes": lambda rows: boxed(rows, "│", "├───┼───┼───┤", str),
    "double boxes": lambda rows: boxed(rows, "║", "╠═══╬═══╬═══╣", lambda cells: f" {' '.join(cells)} "),
    "dashes in boxes": lambda rows: boxed(rows, "|", "|---+---+---|", lambda cells: cells.replace(".", "-")),
    "rules of dashes": lambda rows: "\n---------\n".join("\n".join(rows[at : at + 3]) for at in (0, 3, 6)),
    "gaps": lambda rows: "\n\n".join(
        "\n".join(" ".join(row[at : at + 3] for at in (0, 3, 6)) for row in rows[top : top + 3]) for top in (0, 3, 6)
    ),
    **{f"blanks are {char}": (lambda rows, char=char: "\n".join(rows).replace(".", char)) for char in "0_-*x"},
}


@pytest.fixture(scope="module")
def page(pages: Any, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    file = pages.write(tmp_path_factory.mktemp("text"), SudokuTask((2, 2)), "--examples", dataset, "--puzzles", 1)
    with pages.opened(file) as page:
        yield page


def described(task: Task) -> dict[str, Any]:
    if isinstance(task, ArcTask):
        return describe_board(task, [task.encode(np.arange(10, dtype=np.uint8).reshape(2, 5))])
    return describe_board(task, [example.puzzle for example in new_examples(task, [{}], 5)])


BOARDS = {task.name: described(task) for task in (SUDOKU, SMALL, MAZE, ARC)}


def read(page: Any, task: Task, text: str) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("([text, board]) => readPuzzle(text, board)", [text, BOARDS[task.name]])
    return found


@settings(max_examples=10, database=None)
@given(st.lists(st.sampled_from(".......123456789"), min_size=81, max_size=81), st.data())
def test_a_sudoku_in_any_layout(page: Any, cells: list[str], data: st.DataObject) -> None:
    cells[data.draw(st.integers(0, 8))], cells[80] = "5", "1"  # not all blank, and no spaces at the end
    rows = ["".join(cells[at : at + 9]) for at in range(0, 81, 9)]
    expected = SUDOKU.encode(SUDOKU.parse("".join(rows))).tolist()
    for name, layout in SUDOKU_LAYOUTS.items():
        if "spaces" in name and any(not row.strip(".") for row in rows):
            continue  # a line of spaces alone is a blank line
        assert read(page, SUDOKU, layout(rows)) == {"tokens": expected}, name


@settings(max_examples=10, database=None)
@given(st.integers(0, 2**31))
def test_what_a_task_writes_itself(page: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for task, least, most in ((SUDOKU, 1, 10), (SMALL, 1, 7), (MAZE, 1, 4)):
        tokens = rng.integers(least, most + 1, task.seq_len).astype(np.int32)
        board = task.decode(tokens)
        for text in (task.text(board), str(task.render(board))):
            assert read(page, task, text) == {"tokens": tokens.tolist()}, text
    grid = rng.integers(0, 10, rng.integers(1, 31, 2)).astype(np.uint8)
    for text in (ARC.text(grid), str(ARC.render(grid)), json.dumps(grid.tolist()), json.dumps(grid.tolist(), indent=0)):
        if "\n" in text and text.startswith("["):
            continue  # a number in each line says nothing of rows
        assert read(page, ARC, text) == {"tokens": ARC.encode(grid).tolist()}, text


@settings(max_examples=10, database=None)
@given(st.lists(st.lists(st.sampled_from("# SG"), min_size=7, max_size=7), min_size=7, max_size=7))
def test_a_maze_whose_free_cells_are_spaces(page: Any, rows: list[list[str]]) -> None:
    for row in rows:
        row[0] = row[-1] = "#"
    text = "\n".join("".join(row) for row in rows)
    assert read(page, MAZE, text) == {"tokens": MAZE.encode(MAZE.parse(text)).tolist()}


LINE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
CELLS = "9 rows of 9 cells out of 1 2 3 4 5 6 7 8 9, with 0 . * - _ for an empty one."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f"The text is empty; write {CELLS}"),
        (" \n\n ", f"The text is empty; write {CELLS}"),
        (LINE[1:], f"The text has 80 cells, but sudoku-3x3 has 81; write {CELLS}"),
        (LINE.replace("7", "a"), f'"a" in row 1, column 5 is no cell of sudoku-3x3; write {CELLS}'),
        ("hello", f"The text has 5 cells, but sudoku-3x3 has 81; write {CELLS}"),
        (
            "\n".join(LINE[at : at + 9] + "1" * (at == 18) for at in range(0, 81, 9)),
            f"Row 3 has 10 cells, but sudoku-3x3 has 9 in a row; write {CELLS}",
        ),
    ],
)
def test_wrong_text_gets_one_sentence(page: Any, text: str, problem: str) -> None:
    found = read(page, SUDOKU, text)
    assert sorted(found["problem"].split()) == sorted(problem.split())  # blanks stand in any order


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("12\n345", "Row 2 has 3 cells, but row 1 has 2; give all rows as many."),
        ("1\n" * 31, "The text has 31 rows of 1 cells, but arc1 has 1 to 30 of 1 to 30."),
        ("1a", '"a" in row 1, column 2 is no cell of arc1'),
    ],
)
def test_wrong_grids_of_any_size_get_one_too(page: Any, text: str, says: str) -> None:
    assert read(page, ARC, text)["problem"].startswith(says)


def test_a_path_is_no_part_of_a_maze_to_solve(page: Any) -> None:
    text = "\n".join(["#######", "#S....#", *["#####.#"] * 2, "#G.ooo#", *["#######"] * 2])
    assert read(page, MAZE, text)["problem"].startswith('"o" in row 5, column 4 is no cell of maze-7x7; write 7 rows')
