"""Boards in the layouts of real collections, between lines that are no boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from hrm_data import BoardText, HRMDataError, Task
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hypothesis import given
from hypothesis import strategies as st

Rows = list[str]
BOXES = [(2, 2), (2, 3), (3, 2), (2, 4), (3, 3)]
LINES = "plain spaced quoted python commas semicolons slashes plus fields scored solved".split()
BLOCKS = "rows spaced quoted commas array bars ascii simple sudocue unicode markdown".split()
SPACES = "rows bars unicode cells".split()


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
        inner = [
            left + between.join(pad + gap.join(part) + pad for part in parts) + right for parts in stacks
        ]
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
        return [top, *(f"{middle}\n".join("║" + "│".join(f" {c} " for c in row) + "║\n" for row in rows)).split("\n")][
            :-1
        ] + [bottom]
    return {
        "rows": lambda: rows,
        "spaced": lambda: [" ".join(row) for row in rows],
        "quoted": lambda: [f'"{row}",' for row in rows],
        "commas": lambda: [",".join(row) for row in rows],
        "array": lambda: ["[", *(f" [{', '.join(row)}]," for row in rows), "],"],
        "bars": lambda: framed("|", "|", "|", ("", "", "")),
        "ascii": lambda: framed("| ", " | ", " |", ("+" + "+".join(["-" * (2 * width + 1)] * boxes) + "+",) * 3, "", " "),
        "simple": lambda: framed(
            " |", "|", "|", (f" *{'-' * (n + boxes - 1)}*", f" |{'+'.join([dashes] * boxes)}|", f" *{'-' * (n + boxes - 1)}*")
        ),
        "sudocue": lambda: framed(
            "|", "|", "|", (f".{'.'.join([dashes] * boxes)}.", f":{'+'.join([dashes] * boxes)}:", f"'{chr(39).join([dashes] * boxes)}'")
        ),
        "unicode": lambda: framed(
            "│", "│", "│", (f"┌{'┬'.join(thin)}┐", f"├{'┼'.join(thin)}┤", f"└{'┴'.join(thin)}┘"), " ", " "
        ),
        "markdown": lambda: [
            "| " + " | ".join("abcdefghi"[:n]) + " |", "|" + "---|" * n, *("| " + " | ".join(row) + " |" for row in rows)
        ],
    }[layout]()


@st.composite
def written(draw: st.DrawFn, box: tuple[int, int]) -> tuple[Rows, str, list[str]]:
    """A board, the place of its first row, and its lines."""
    n = box[0] * box[1]
    layout, kind = draw(st.sampled_from([(a, "line") for a in LINES] + [(a, "block") for a in BLOCKS] + [(a, "spaces") for a in SPACES]))
    blank = " " if kind == "spaces" else draw(st.sampled_from(".0*_-?xX"))
    values = st.sampled_from("123456789"[:n])
    # A line of "-" alone may be part of a frame; a line of spaces alone may be blank.
    first = st.tuples(values, st.just(blank)).map("".join)
    rest = st.lists(values | st.just(blank), min_size=n - 2, max_size=n - 2).map("".join)
    rows = draw(st.lists(st.builds(lambda a, b: a + b, first, rest), min_size=n, max_size=n))
    lines = [line_of(rows, layout)] if kind == "line" else block_of(rows, layout, box)
    return rows, blank, lines


TITLES = ["Grid 01", "Puzzle 101", "[Puzzle]", "7", "No. 12:", "Maze 3", "--- Easy ---", "Level 2 (hard)"]
NOTHING = ["", "   ", "# a comment", "; another", "// and one"]
OTHERS = ["no puzzle at all", "0b5f3a52-6c1e-4f0a-9a77-2d1c8e4b9f10", "ééé", "\ufffd" * 30, "{"]


@given(st.data())
def test_every_board_is_found_between_lines_that_are_none(data: st.DataObject) -> None:
    box = data.draw(st.sampled_from(BOXES))
    task = SudokuTask(box)
    lines: list[str] = []
    expected: list[tuple[int, str]] = []
    wrong: list[int] = []
    for _ in range(data.draw(st.integers(1, 4))):
        lines += data.draw(st.lists(st.sampled_from(NOTHING), max_size=2))
        lines += [""]
        for other in data.draw(st.lists(st.sampled_from(OTHERS), max_size=2)):
            lines.append(other)
            wrong.append(len(lines))
        lines += data.draw(st.lists(st.sampled_from(TITLES + NOTHING), max_size=2))
        rows, blank, text = data.draw(written(box))
        is_cut = data.draw(st.booleans()) and len(text) > 1
        at = next(at for at, line in enumerate(text) if task.board_text.read(line).kind in ("row", "board"))
        if is_cut:
            last = max(at for at, line in enumerate(text) if task.board_text.read(line).kind == "row")
            text = [*text[:last], *text[last + 1 :]]
            wrong.append(len(lines) + at + 1)
        else:
            expected.append((len(lines) + at + 1, "".join(rows).translate({ord(c): "." for c in "0*_-?xX "})))
        lines += text
    found, failed = [], []
    for number, text in task.find_puzzles(lines):
        try:
            found.append((number, task.text(task.parse(text))))
        except HRMDataError:
            failed.append(number)
    assert found == expected
    titles = {number for number, line in enumerate(lines, 1) if line in TITLES}
    assert [number for number in failed if number not in titles] == sorted(wrong)
