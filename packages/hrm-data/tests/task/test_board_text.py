"""Boards in the layouts of real collections, between lines that are no boards."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest
from hrm_data import BoardText, HRMDataError, Task
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

Rows = list[str]
BOXES = [(2, 2), (2, 3), (3, 2), (2, 4), (3, 3)]
LINES = ["plain", "spaced", "quoted", "python", "commas", "semicolons", "slashes", "plus", "fields", "scored", "solved"]
BLOCKS = ["rows", "spaced", "quoted", "commas", "array", "bars", "ascii", "simple", "sudocue", "unicode", "markdown"]
SPACES = ["rows", "bars", "unicode", "cells"]


def line_of(rows: Rows, layout: str) -> str:
    """A board in one line."""
    cells = "".join(rows)
    return {
        "plain": cells,
        "spaced": " ".join(rows),
        "quoted": f'"{cells}",',
        "python": f"    ['{cells}',",
        "commas": ",".join(cells),
        "semicolons": ";".join(cells),
        "slashes": "/".join(rows),
        "plus": ":0:x:" + "".join(cell if cell in "0._*-?xX" else f"+{cell}" for cell in cells) + ":77::",
        "fields": f"{'7f' * 9};{cells};{'1' * len(cells)};4.2",
        "scored": f"0000183b305c {cells} 7.2 # of a list",
        "solved": f"{'1' * len(cells)},{cells}",
    }[layout]


def block_of(rows: Rows, layout: str, box: tuple[int, int]) -> list[str]:
    """A board in a line for each row, perhaps in a frame."""
    height, width = box
    stacks = [[row[at : at + width] for at in range(0, len(row), width)] for row in rows]

    def framed(left: str, between: str, right: str, lines: tuple[str, ...], pad: str = "", gap: str = "") -> list[str]:
        inner = [left + between.join(pad + gap.join(part) + pad for part in parts) + right for parts in stacks]
        top, middle, bottom = lines
        out = [top] if top else []
        for at, line in enumerate(inner):
            out += [middle] if middle and at and at % height == 0 else []
            out.append(line)
        return out + ([bottom] if bottom else [])

    n = len(rows)
    boxes = n // width
    thin = ["─" * (2 * width + 1)] * boxes
    dashes = "-" * width
    if layout == "cells":
        top, middle, bottom = (a + b.join(["═══"] * n) + c for a, b, c in ("╔╤╗", "╟┼╢", "╚╧╝"))
        inner = f"\n{middle}\n".join("║" + "│".join(f" {cell} " for cell in row) + "║" for row in rows)
        return [top, *inner.split("\n"), bottom]
    return {
        "rows": lambda: rows,
        "spaced": lambda: [" ".join(row) for row in rows],
        "quoted": lambda: [f'"{row}",' for row in rows],
        "commas": lambda: [",".join(row) for row in rows],
        "array": lambda: ["[", *(f" [{', '.join(row)}]," for row in rows), "],"],
        "bars": lambda: framed("|", "|", "|", ("", "", "")),
        "ascii": lambda: framed(
            "| ", " | ", " |", ("+" + "+".join(["-" * (2 * width + 1)] * boxes) + "+",) * 3, "", " "
        ),
        "simple": lambda: framed(
            " |",
            "|",
            "|",
            (f" *{'-' * (n + boxes - 1)}*", f" |{'+'.join([dashes] * boxes)}|", f" *{'-' * (n + boxes - 1)}*"),
        ),
        "sudocue": lambda: framed(
            "|",
            "|",
            "|",
            (
                f".{'.'.join([dashes] * boxes)}.",
                f":{'+'.join([dashes] * boxes)}:",
                f"'{chr(39).join([dashes] * boxes)}'",
            ),
        ),
        "unicode": lambda: framed(
            "│", "│", "│", (f"┌{'┬'.join(thin)}┐", f"├{'┼'.join(thin)}┤", f"└{'┴'.join(thin)}┘"), " ", " "
        ),
        "markdown": lambda: [
            "| " + " | ".join("abcdefghi"[:n]) + " |",
            "|" + "---|" * n,
            *("| " + " | ".join(row) + " |" for row in rows),
        ],
    }[layout]()


@st.composite
def written(draw: st.DrawFn, box: tuple[int, int]) -> tuple[str, list[str], int]:
    """A board with `.` for a blank, its lines, and which of them is the first with cells."""
    n = box[0] * box[1]
    kind, layout = draw(
        st.sampled_from(
            [("line", name) for name in LINES]
            + [("block", name) for name in BLOCKS]
            + [("space", name) for name in SPACES]
        )
    )
    blank = " " if kind == "space" else draw(st.sampled_from(".0*_-?xX"))
    rng = draw(st.randoms(use_true_random=False))
    rows = ["".join(rng.choice("123456789"[:n]) if rng.random() < 0.4 else blank for _ in range(n)) for _ in range(n)]
    # A line of blanks alone is a row if the other rows have values and the same blanks.
    rows = [rows[0][0] + "1" + blank + rows[0][3:], *rows[1:-1], rows[-1][:-1] + "1"]
    lines = [line_of(rows, layout)] if kind == "line" else block_of(rows, layout, box)
    return "".join(rows).replace(blank, "."), lines, next(at for at, line in enumerate(lines) if "1" in line)


TITLES = ["Grid 01", "Puzzle 101", "[Puzzle]", "7", "No. 12:", "Maze 3", "--- Easy ---", "Level 2 (hard)"]
NOTHING = ["", "   ", "# a comment", "; another", "// and one"]
OTHERS = ["no puzzle at all", "0b5f3a52-6c1e-4f0a-9a77-2d1c8e4b9f10", "ééé", "\ufffd" * 30, "what now?"]


@given(st.data())
def test_every_board_is_found_between_lines_that_are_none(data: st.DataObject) -> None:
    box = data.draw(st.sampled_from(BOXES))
    task = SudokuTask(box)
    lines: list[str] = []
    expected: list[tuple[int, str]] = []
    wrong: list[int] = []
    for _ in range(data.draw(st.integers(1, 4))):
        lines += ["", *data.draw(st.lists(st.sampled_from(NOTHING), max_size=2))]
        for other in data.draw(st.lists(st.sampled_from(OTHERS), max_size=2)):
            lines.append(other)
            wrong.append(len(lines))
        lines += data.draw(st.lists(st.sampled_from(TITLES + NOTHING), max_size=2))
        board, text, at = data.draw(written(box))
        first = len(lines) + at + 1
        if len(text) > 1 and data.draw(st.booleans()):  # a row is missing
            del text[max(row for row, line in enumerate(text) if "1" in line)]
            wrong.append(first)
        else:
            expected.append((first, board))
        lines += text
    found, failed = [], []
    for number, puzzle in task.find_puzzles(lines):
        try:
            found.append((number, task.text(task.parse(puzzle))))
        except HRMDataError:
            failed.append(number)
    titles = {number for number, line in enumerate(lines, start=1) if line in TITLES}
    assert found == expected
    assert [number for number in failed if number not in titles] == wrong


@given(st.data(), st.sampled_from([" ", "."]), st.sampled_from(["line", "rows", "bars", "quoted"]))
def test_every_maze_is_found_between_lines_that_are_none(data: st.DataObject, free: str, layout: str) -> None:
    task = MazeTask(6)
    lines: list[str] = []
    expected = []
    for _ in range(data.draw(st.integers(1, 4))):
        lines += ["", *data.draw(st.lists(st.sampled_from(["Maze 3", "# my maze, an easy one", "; note"]), max_size=2))]
        rows = data.draw(st.lists(st.text("#" + free, min_size=4, max_size=4), min_size=6, max_size=6))
        rows = [f"#{row}{free}" for row in rows]
        expected.append((len(lines) + 1, "".join(rows).replace(".", " ")))
        lines += {
            "line": ["".join(rows)],
            "rows": rows,
            "bars": [f"|{row}|" for row in rows],
            "quoted": [f'"{row}",' for row in rows],
        }[layout]
    assert [(number, task.text(task.parse(text))) for number, text in task.find_puzzles(lines)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "#####S.##.G####",
        "#####S.##xG####",
        "#####Sx##.G#####",
        "#" * 17,
        "####\n#S.\n#.G#\n####",
        "####\n#S.#\n#.G#\n####\n#",
    ],
)
def test_a_maze_line_that_is_too_short_is_an_error(text: str) -> None:
    task = MazeTask(4)
    good = "#####S.##.G#####"
    found = list(task.find_puzzles([good, "", *text.split("\n"), "", good]))
    assert [found[0], found[-1]] == [(1, good), (text.count("\n") + 5, good)]
    with pytest.raises(HRMDataError):
        task.parse(found[-2][1])


def test_a_task_of_another_package_uses_the_same_reader() -> None:
    layout = BoardText(rows=2, columns=3, cells="abc")
    text = "Board 1\n+---+\n|ab.|\n|.ca|\n+---+\n\nid7,ab..ca,aabbcc\nd..\n.aa\n"
    assert list(layout.find(text.split("\n"))) == [(3, "ab.\n.ca"), (7, "ab..ca"), (8, "d..\n.aa")]


@pytest.mark.parametrize("layout", BLOCKS)
def test_a_board_is_found_as_soon_as_its_last_row_is_there(layout: str) -> None:
    rows = ["1.2.", "3..4", "2..1", ".4.3"]
    lines = block_of(rows, layout, (2, 2))
    last = max(at for at, line in enumerate(lines) if "3" in line)
    drawn = count()

    def arriving() -> Iterator[str]:
        for line in lines:
            next(drawn)
            yield line

    assert next(SudokuTask((2, 2)).find_puzzles(arriving()))[1] == "\n".join(rows)
    assert next(drawn) == last + 1


@pytest.mark.parametrize(
    "line",
    [
        "    ['12..34..2.4.é.3.1',",
        '"12..34..2z4..3.1",',
        "1;2;.;.;3;4;.;.;2;.;4;.;.;3;.1;1;",
        "easy 12..34..2.4..3. 2.3",
    ],
)
def test_a_board_with_a_mistake_is_no_title(line: str) -> None:
    assert [number for number, _ in SudokuTask((2, 2)).find_puzzles([line, "12..34..2.4..3.1"])] == [1, 2]


@pytest.mark.parametrize("title", ["Grid 01", "a title"])
def test_titles_are_reported_unless_a_board_follows(title: str) -> None:
    task: Task = SudokuTask((2, 2))
    endless = task.find_puzzles(f"{title} {number}" for number in count())
    assert len(list(islice(endless, 100))) == 100
    assert list(task.find_puzzles(["Grid 1", "", "no puzzle", "Grid 2", "12..34..2.4..3.1", "Grid 3"])) == [
        (1, "Grid 1"),
        (3, "no puzzle"),
        (5, "12..34..2.4..3.1"),
        (6, "Grid 3"),
    ]
