"""Puzzles in lines of text, as users and published collections write them."""

from __future__ import annotations

from itertools import islice, repeat

import numpy as np
import pytest
from hrm_data import HRMDataError, Task
from hrm_data.arc import ArcTask
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

SUDOKU, MAZE, ARC = SudokuTask((2, 2)), MazeTask(4), ArcTask()
PUZZLE = "12..34..2.4..3.1"
ONE_MAZE = "####\n#S.#\n#.G#\n####"


def found(task: Task, text: str) -> list[tuple[int, str]]:
    return list(task.find_puzzles(text.split("\n")))


def boards(task: Task, text: str) -> list[list[list[int]]]:
    return [task.parse(puzzle).tolist() for _, puzzle in found(task, text)]


@pytest.mark.parametrize(
    "line",
    [
        PUZZLE,
        f"  {PUZZLE}\t",
        f"{PUZZLE} # comment",
        f"{PUZZLE}#comment",
        f"{PUZZLE};7.2;SE",
        f"{PUZZLE},1234341221434321",
        f"{PUZZLE} // comment",
        f"0000183b305c {PUZZLE} 1.2",
        "12.. 34.. 2.4. .3.1",
        "|12|..|34|..|2.|4.|.3|.1|",
        "12..\n34..\n2.4.\n.3.1",
        "1 2 | . .\n3 4 | . .\n----+----\n2 . | 4 .\n. 3 | . 1",
    ],
)
def test_a_sudoku_is_found_whatever_stands_around_it(line: str) -> None:
    expected = SUDOKU.parse(PUZZLE).tolist()
    assert boards(SUDOKU, line) == [expected]
    assert boards(SUDOKU, f"# head\n\n{line}\n\n; between\n{line}\n") == [expected, expected]


def test_a_board_that_is_cut_short_does_not_take_from_the_next_one() -> None:
    assert found(SUDOKU, f"12..\n34..\n\n12..\n34..\n2.4.\n{PUZZLE}") == [
        (1, "12..\n34.."),
        (4, "12..\n34..\n2.4."),
        (7, PUZZLE),
    ]


def test_what_is_no_puzzle_is_left_to_parse() -> None:
    ((line, text),) = found(SUDOKU, "\n12..34\n")
    assert line == 2
    with pytest.raises(HRMDataError, match="6 characters"):
        SUDOKU.parse(text)


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(["", "# a comment", "; and one"]))
def test_any_maze_is_found_in_lines_and_in_one(seed: int, whole: bool, between: str) -> None:
    rng = np.random.default_rng(seed)
    mazes = [rng.integers(1, 5, (4, 4)) for _ in range(3)]
    texts = [MAZE.text(maze) for maze in mazes]
    lines = texts if whole else ["\n".join(text[i : i + 4] for i in range(0, 16, 4)) for text in texts]
    assert boards(MAZE, f"\n{between}\n".join(lines)) == [maze.tolist() for maze in mazes]


def test_a_comment_is_no_maze_and_a_wrong_row_no_comment() -> None:
    assert found(MAZE, f"# my maze, an easy one\n{ONE_MAZE}") == [(2, ONE_MAZE)]
    ((_, text),) = found(MAZE, ONE_MAZE.replace("#S.#", "#Sx#"))
    with pytest.raises(HRMDataError, match="'x' at row 2"):
        MAZE.parse(text)


def test_arc_grids_stand_in_one_line_or_in_several() -> None:
    text = "# two\n012\n345\n\n[[0, 1, 2], [3, 4, 5]]\n012/345 # again\n[[0,1,2],\n[3,4,5]]\n012|345"
    assert boards(ARC, text) == [[[0, 1, 2], [3, 4, 5]]] * 5
    assert [line for line, _ in found(ARC, text)] == [2, 5, 6, 7, 9]


@pytest.mark.parametrize(("task", "line"), [(SUDOKU, PUZZLE), (MAZE, "#####S.##.G#####"), (ARC, "01/23")])
def test_a_text_may_be_endless(task: Task, line: str) -> None:
    assert list(islice(task.find_puzzles(repeat(line)), 3)) == [(1, line), (2, line), (3, line)]


@pytest.mark.parametrize("task", [SUDOKU, MAZE, ARC])
def test_colours_are_of_symbols_that_are_drawn(task: Task) -> None:
    drawn = {str(task.render(task.decode(np.full(task.seq_len, token)))) for token in range(task.vocab_size)}
    assert set(task.colours) <= {char for picture in drawn for char in picture}
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in task.colours.values())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f";{PUZZLE};7.2"], [1]),
        ([f"a;{PUZZLE}", f";{PUZZLE}"], [1, 2]),  # as many fields as the line before
        ([f"a;b;{PUZZLE[:-1]}z", f";;{PUZZLE[:-1]}z"], [1, 2]),  # with a mistake
        ([f"; {PUZZLE}", f";{PUZZLE}", "; a; note; of 12", ";a;note"], []),
    ],
)
def test_a_semicolon_for_a_missing_field_begins_no_comment(lines: list[str], expected: list[int]) -> None:
    assert [number for number, _ in SUDOKU.find_puzzles(lines)] == expected
