"""Many puzzles at once: from arguments, files of several formats, and standard input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hrm_data import open_dataset
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]
COMMAND = str(Path(sys.executable).parent / "evaluator")
PUZZLE = "12..34..2.4..3.1"
WRONG = "1..1............"
# A saved game: each cell's value, pencil marks of two kinds, and whether the user may edit it. `4` is the user's.
GAME = "".join("4|3|12|1|" if char == "." else f"{char}|0|0|0|" for char in PUZZLE)


@pytest.fixture
def solve(run: RunDirectory, evaluator: Call) -> Callable[..., tuple[int, list[dict[str, Any]], list[str]]]:
    """Solve with --json in this process: exit code, what was printed, lines on stderr."""

    def call(*args: object) -> tuple[int, list[dict[str, Any]], list[str]]:
        code, out, err = evaluator("solve", "--json", "--checkpoint", run.path, *args)
        return code, [json.loads(line) for line in out.splitlines()], err.splitlines()

    return call


def puzzles(dataset: Path) -> list[str]:
    data = open_dataset(dataset, "test").sets["all"]
    return ["".join(str(token - 1) if token > 1 else "." for token in row) for row in data.inputs.tolist()]


def test_a_file_is_solved_line_by_line_in_its_order(dataset: Path, tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles.txt"
    given = puzzles(dataset)
    file.write_text("# of the test split\n\n" + "\n".join(given) + "\n")
    code, found, err = solve("--file", file)
    assert [row["puzzle"] for row in found] == given
    assert [row["source"] for row in found] == [f"{file}, line {n}" for n in range(3, 14)]
    assert code == (0 if all(row["valid"] for row in found) else 1)
    assert err[-1].startswith("evaluator: 11 puzzles answered: ")


def test_an_answer_is_the_same_alone_and_among_others(dataset: Path, solve: Any) -> None:
    given = puzzles(dataset)[:5]
    _, together, _ = solve(*given)
    for text, row in zip(given, together, strict=True):
        _, (alone,), _ = solve(text)
        assert {k: alone[k] for k in ("puzzle", "answer", "valid", "steps")} == {
            k: row[k] for k in ("puzzle", "answer", "valid", "steps")
        }


@pytest.mark.parametrize(
    "written",
    [
        "1200340020400301",
        "12**34**2*4**3*1",
        "12__34__2_4__3_1",
        "12..34..2.4..3.1   # the first one",
        "12..34..2.4..3.1 ; easy",
        "12..34..2.4..3.1;11.90;SE",
        "12..34..2.4..3.1,1234341221434321",
        "12..34..2.4..3.1 an easy one",
        "0000183b305c 12..34..2.4..3.1 1.2",
        "12 .. 34 .. 2. 4. .3 .1",
        "12..\n34..\n2.4.\n.3.1",
        "+--+--+\n|12|..|\n|34|..|\n+--+--+\n|2.|4.|\n|.3|.1|\n+--+--+",
        "\ufeff12..34..2.4..3.1\r",
        "question\n12..34..2.4..3.1",
        "# a CSV file\nsource,question,answer\nhere,12..34..2.4..3.1,\n# and its end",
        'quizzes;solutions\n"12..34..2.4..3.1";1234341221434321',
        "id\tpuzzle\n7\t1200340020400301",
        "Sudoku,Solution\n12xx34xx2x4xx3x1,1234341221434321",
        "puzzles,solutions\n1;2;0;0;3;4;0;0;2;0;4;0;0;3;0;1,",
        "Grid 01\n12..\n34..\n2.4.\n.3.1",
        "Puzzle\r12--\r34--\r2-4-\r-3-1\r",
        "┌───┬───┐\n│1 2│   │\n│3 4│   │\n├───┼───┤\n│2  │4  │\n│  3│  1│\n└───┴───┘",
        "[[1, 2, 0, 0], [3, 4, 0, 0], [2, 0, 4, 0], [0, 3, 0, 1]]",
        "[\n [1, 2, null, null],\n [3, 4, 0, 0],\n [2, 0, 4, 0],\n [0, 3, 0, 1]\n]",
        '[{"puzzle": "12..34..2.4..3.1", "solution": "1234341221434321"}]',
        '{"puzzle": "12..34..2.4..3.1"}\n\n',
        '{"newboard": {"grids": [{"value": [[1,2,0,0],[3,4,0,0],[2,0,4,0],[0,3,0,1]], "solution": [[1]]}]}}',
        '["12..34..2.4..3.1"]',
        "12..\n34..\n\n2.4.\n.3.1\n",
        "  1 2 3 4\nA | 1 2 | . . |\nB | 3 4 | . . |\n\nC | 2 . | 4 . |\nD | . 3 | . 1 |",
        "r1 12..\nr2 34..\nr3 2.4.\nr4 .3.1",
        ";12..34..2.4..3.1;7.2",
        f'<opensudoku version="3"><folder><game cells_data="version: 4&#10;{GAME}"/></folder></opensudoku>',
        '<opensudoku>\n<name>one</name>\n<game data="1200340020400301"/>\n</opensudoku>',
        "<list><puzzle>\n12..\n34..\n2.4.\n.3.1\n</puzzle></list>",
    ],
)
def test_real_collections_are_read(written: str, tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles"
    file.write_bytes(written.encode())
    _, found, err = solve("--file", file)
    assert [row["puzzle"] for row in found] == [PUZZLE], err
    assert len(err) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_other_systems_are_read(encoding: str, end: str, tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles.txt"
    file.write_bytes(end.join([PUZZLE, "no puzzle", PUZZLE, ""]).encode(encoding))
    _, found, err = solve("--file", file)
    assert [row["source"] for row in found] == [f"{file}, line 1", f"{file}, line 3"]
    assert f"{file}, line 2: the puzzle has" in err[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not readable JSON"),
        ('[{"puzzle": "12"}]', "item 1: the puzzle has 2 characters"),
        ('{"a": 1}', "has no puzzle"),
        ("[[1, 2], [3, 4]]\n", "is no board of sudoku-2x2; write a board as"),
        ("<a><b></a>", "line 1: is not readable XML"),
        ("<a>\n<b>\n", "is not readable XML"),
        ("<a/>", "has no puzzle"),
        ('<a><game data="12"/></a>', "line 1: the puzzle has 2 characters"),
        ('<a><game data="version: 9&#10;1|0|0|"/></a>', "line 1: is a saved game of version 9; versions 1, 2, 3, 4, 5"),
        ('<a><game data="version: 3&#10;1|0|0|5|0|x|"/></a>', "line 1: is a saved game whose cell 2 is '5|0|x'"),
        ("\n".join(["1 . . 12 . . 7 . . . . 3"] * 12), "line 1: the puzzle has 144 characters, as a 12x12 board"),
        ("1" * 200_000, "line 1: is longer than 131,072 characters"),
    ],
)
def test_what_cannot_be_read_is_said_once(content: str, problem: str, tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles"
    file.write_text(content)
    code, found, err = solve("--file", file)
    assert (code, found) == (2, [])
    assert problem in err[0]
    assert len(err) == 2


def test_malformed_lines_are_reported_with_file_and_number_and_the_rest_is_solved(tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles.txt"
    file.write_bytes(b"\n".join([PUZZLE.encode(), b"12..34..2.4..3.", WRONG.encode(), b"\xff" * 16, PUZZLE.encode()]))
    code, found, err = solve("--file", file)
    assert [row["source"] for row in found] == [f"{file}, line {n}" for n in (1, 5)]
    assert code == 1
    assert [line.split(": ")[1] for line in err[:3]] == [f"{file}, line {n}" for n in (2, 3, 4)]
    assert "15 characters" in err[0]
    assert "contradict" in err[1]
    assert "'\ufffd' at position 1" in err[2]
    assert "3 malformed" in err[3]


def test_a_malformed_row_of_csv_is_reported_and_the_rest_is_solved(tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles.csv"
    file.write_text(f'source,question\na,{PUZZLE}\n"b,{PUZZLE}\nc\nd,{PUZZLE}\n')
    code, found, err = solve("--file", file)
    assert [row["source"] for row in found] == [f"{file}, line {n}" for n in (2, 5)]
    assert "line 3: is not CSV" in err[0]
    assert "line 4: has 1 fields, but the header names 2" in err[1]
    assert code == 1


def test_where_no_puzzle_can_be_read_it_is_a_mistake_and_both_sides_are_named(
    tmp_path: Path, solve: Any, run: RunDirectory
) -> None:
    file = tmp_path / "large.txt"
    file.write_text("." * 81 + "\n")
    code, found, err = solve("--file", file)
    assert (code, found) == (2, [])
    assert "81 characters" in err[0]
    assert "was trained on sudoku-2x2" in err[1]
    file.write_text("# nothing\n")
    code, _, err = solve("--file", file)
    assert code == 2
    assert "no puzzle" in err[0]


def test_a_compressed_file_is_read_as_far_as_it_is_whole(tmp_path: Path, solve: Any) -> None:
    file = tmp_path / "puzzles.txt.gz"
    whole = gzip.compress("".join(f"{PUZZLE} # {number} {number**7}\n" for number in range(9)).encode())
    file.write_bytes(whole)
    assert len(solve("--file", file)[1]) == 9
    file.write_bytes(whole[:-30])
    code, found, err = solve("--file", file)
    assert 0 < len(found) < 9
    assert code == 1
    assert f"{file}: is damaged, and the rest cannot be read" in err[0]


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path, solve: Any) -> None:
    code, _, err = solve("--file", tmp_path / name)
    assert code == 2
    assert f"--file {tmp_path / name}" in err[0]


def test_several_puzzles_are_shown_as_boards_and_a_file_in_one_line_each(
    run: RunDirectory, tmp_path: Path, evaluator: Call
) -> None:
    _, out, err = evaluator("solve", PUZZLE, PUZZLE, "--checkpoint", run.path)
    assert out.count("+--") > 8
    assert "puzzle 2:" in out
    assert "2 puzzles answered" in err
    file = tmp_path / "puzzles.txt"
    file.write_text(f"{PUZZLE}\n")
    assert "1 puzzle answered" in evaluator("solve", "--file", file, "--checkpoint", run.path)[2]
    file.write_text(f"{PUZZLE}\n{PUZZLE}\n")
    _, out, _ = evaluator("solve", "--file", file, "--checkpoint", run.path)
    assert len(out.splitlines()) == 2
    assert all(f"{file}, line" in line and "valid" in line and "steps" in line for line in out.splitlines())
    assert "+--" in evaluator("solve", "--file", file, "--boards", "--checkpoint", run.path)[1]


def test_answers_appear_while_the_input_is_still_open(run: RunDirectory) -> None:
    words = [COMMAND, "solve", "--runs", str(run.path.parent)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in range(1, 4):
            running.stdin.write(f"{PUZZLE}\n# and another comment\n")
            running.stdin.flush()
            assert f"stdin, line {2 * number - 1}: " in running.stdout.readline()
        running.stdin.write("12..")  # no whole line
        out, err = running.communicate(timeout=300)
    assert out == ""
    assert "stdin, line 7: " in err
    assert running.returncode == 1


def test_a_dash_stands_for_stdin(run: RunDirectory) -> None:
    words = [COMMAND, "solve", "-", "--json", "--runs", str(run.path.parent)]
    done = subprocess.run(words, input="12..\n34..\n2.4.\n.3.1\n", capture_output=True, text=True, timeout=300)
    assert json.loads(done.stdout)["puzzle"] == PUZZLE
