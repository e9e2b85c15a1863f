from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from hrm_data import HRMDataError, open_dataset
from hrm_data.sudoku import Puzzles, SudokuOptions, build_sudoku, generate_sudoku

HEADER = "source,question,answer,rating"


def line(made: Puzzles, row: int) -> list[str]:
    question = "".join(str(d) if d else "." for d in made.puzzles[row])
    return ["made", question, "".join(map(str, made.solutions[row])), str(made.ratings[row])]


def save(path: Path, made: Puzzles) -> Path:
    rows = [",".join(line(made, row)) for row in range(len(made.puzzles))]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def made() -> Puzzles:
    return generate_sudoku(300, seed=11)


@pytest.fixture(scope="module")
def file(made: Puzzles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("csv") / "puzzles.csv", made)


class Read(Protocol):
    def __call__(self, path: Path, box: tuple[int, int] = (3, 3), **options: Any) -> tuple[np.ndarray, np.ndarray]: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Builds a dataset with a file as test puzzles, which are taken as they are; gives puzzles and solutions back."""

    def one(path: Path, box: tuple[int, int] = (3, 3), **options: Any) -> tuple[np.ndarray, np.ndarray]:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        other = save(
            folder / "train.csv", generate_sudoku(3, box, kind="any", clues=30 if box == (3, 3) else 15, seed=7)
        )
        options = {"min_rating": 0, **options}
        made = build_sudoku(folder / "data", SudokuOptions(train_csv=other, test_csv=path, box=box, **options))
        item = open_dataset(made, "test").sets["all"]
        return item.inputs[:] - 1, item.labels[:] - 1

    return one


def test_all_rows_come_back_in_order(read: Read, made: Puzzles, file: Path) -> None:
    puzzles, solutions = read(file)
    assert (puzzles == made.puzzles).all()
    assert (solutions == made.solutions).all()


def test_other_column_orders_line_ends_quotes_and_zero_blanks_are_read(
    read: Read, made: Puzzles, tmp_path: Path
) -> None:
    source, question, answer, rating = line(made, 0)
    header, zeros = "\ufeffrating,extra,answer,question,source", question.replace(".", "0")
    text = f'{header}\r\n{rating},"a,b",{answer},{zeros},{source}\r\n'
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert (read(tmp_path / "x.csv")[0] == made.puzzles[:1]).all()


def test_ratings_are_read(read: Read, made: Puzzles, file: Path, tmp_path: Path) -> None:
    options = SudokuOptions(train_csv=file, test_csv=file)
    with pytest.raises(HRMDataError, match="no puzzles are left for train"):
        build_sudoku(tmp_path / "out", options)
    other = save(tmp_path / "other.csv", generate_sudoku(3, seed=12))
    root = build_sudoku(tmp_path / "out", SudokuOptions(train_csv=file, test_csv=other))
    rating = json.loads((root / "task.json").read_text())["difficulty"]["train"]["rating"]
    assert rating["min"] == made.ratings.min()
    assert rating["max"] == made.ratings.max()
    assert rating["mean"] == round(float(made.ratings.mean()), 2)


def test_small_boards_are_read(read: Read, tmp_path: Path) -> None:
    small = generate_sudoku(20, (2, 3))
    assert (read(save(tmp_path / "x.csv", small), (2, 3))[0] == small.puzzles).all()


def test_a_subsample_is_drawn_by_seed_and_keeps_the_order(read: Read, made: Puzzles, file: Path) -> None:
    one, two, other = (read(file, test=50, seed=seed)[0] for seed in (1, 1, 2))
    assert len(one) == 50
    assert (one == two).all()
    assert not (one == other).all()
    rows = [int(np.flatnonzero((made.puzzles == row).all(axis=1))[0]) for row in one]
    assert rows == sorted(set(rows))


def test_a_subsample_is_the_same_whatever_the_pieces_of_the_file(
    read: Read, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = read(file, test=20)
    monkeypatch.setattr("hrm_data.sources._csv._CHUNK", 3)
    assert (read(file, test=20)[0] == whole).all()


def test_ratings_limit_what_is_read(read: Read, made: Puzzles, file: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "other.csv", generate_sudoku(3, kind="any", clues=40, seed=12))
    for low, high in ((2, 4), (2, None)):
        options = SudokuOptions(train_csv=file, test_csv=other, min_rating=low, max_rating=high)
        root = build_sudoku(tmp_path / f"out{high}", options)
        wanted = (made.ratings >= low) & (made.ratings <= (10**9 if high is None else high))
        assert (open_dataset(root, "train").sets["all"].inputs[:] - 1 == made.puzzles[wanted]).all()


def test_asking_for_more_than_there_is_fails(read: Read, file: Path) -> None:
    with pytest.raises(HRMDataError, match=r"puzzles\.csv: only 300 different puzzles .* for test, 301 are wanted"):
        read(file, test=301)


@pytest.mark.parametrize("header", ["", "answer,rating", "source,question,rating", "a;b"])
def test_missing_columns_are_named(read: Read, tmp_path: Path, header: str) -> None:
    (tmp_path / "x.csv").write_text(header)
    with pytest.raises(HRMDataError, match=r"x\.csv, line 1: column .* is missing.* the columns question,answer"):
        read(tmp_path / "x.csv")


@pytest.mark.parametrize("header", ["puzzle,solution", "quizzes,solutions", "Sudoku;Solution", "question\tanswer"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_usual_headers_are_read(read: Read, made: Puzzles, tmp_path: Path, header: str, encoding: str) -> None:
    delimiter = next(char for char in ",;\t" if char in header)
    rows = [delimiter.join(line(made, row)[1:3]) for row in range(5)]
    (tmp_path / "x.csv").write_bytes("\r".join([header, *rows, ""]).encode(encoding))
    puzzles, solutions = read(tmp_path / "x.csv")
    assert (puzzles == made.puzzles[:5]).all()
    assert (solutions == made.solutions[:5]).all()


@pytest.mark.parametrize("blank", "0*_-xX?")
def test_blanks_and_layouts_of_a_field_are_those_of_text(read: Read, made: Puzzles, tmp_path: Path, blank: str) -> None:
    _, question, answer, _ = line(made, 0)
    fields = question.replace(".", blank), ";".join(question), "/".join(re.findall(".{9}", question))
    text = "\n".join(["question,answer", *(f"{field},{answer}" for field in fields)])
    (tmp_path / "x.csv").write_text(text)
    puzzles, _ = read(tmp_path / "x.csv")  # equal puzzles are one
    assert (puzzles == made.puzzles[:1]).all()


def test_ratings_are_demanded_only_where_they_are_wanted(read: Read, made: Puzzles, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("puzzle,solution\n" + ",".join(line(made, 0)[1:3]))
    with pytest.raises(HRMDataError, match="column rating is missing"):
        read(tmp_path / "x.csv", min_rating=1)
    root = build_sudoku(
        tmp_path / "out", SudokuOptions(train_csv=save(tmp_path / "y.csv", made), test_csv=tmp_path / "x.csv")
    )
    difficulty = json.loads((root / "task.json").read_text())["difficulty"]
    assert "rating" in difficulty["train"]
    assert "rating" not in difficulty["test"]


def test_the_columns_of_the_file_are_named(read: Read, made: Puzzles, tmp_path: Path) -> None:
    _, question, answer, _ = line(made, 0)
    (tmp_path / "x.csv").write_text(f"puzzle,solution\n{question[:-1]},{answer}")
    with pytest.raises(HRMDataError, match=r"line 2, column puzzle: 80 characters"):
        read(tmp_path / "x.csv")


def test_a_line_that_is_too_long_is_named(read: Read, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("puzzle,solution\n" + "1" * (1 << 21))
    with pytest.raises(HRMDataError, match=r"line 2: longer than 1,048,576 characters"):
        read(tmp_path / "x.csv")


def _swap(text: str, at: int, char: str) -> str:
    return text[:at] + char + text[at + 1 :]


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        (1, lambda row: row[1][:-1], "column question: 80 characters, expected 81"),
        (2, lambda row: row[2] + "1", "column answer: 82 characters, expected 81"),
        (1, lambda row: _swap(row[1], 5, "x"), "column question: character 'x' at position 6"),
        (1, lambda row: _swap(row[1], 5, "٣"), "column question: character '٣' at position 6"),
        (2, lambda row: _swap(row[2], 80, "."), r"column answer: character '\.' at position 81"),
        (2, lambda row: _swap(row[2], 0, "0"), "column answer: character '0' at position 1"),
        (2, lambda row: row[2][1] + row[2][0] + row[2][2:], "column answer: a row, column or box"),
        (2, lambda row: row[2].translate(str.maketrans("123456789", "234567891")), "column answer: cell .* is"),
        (3, lambda row: "hard", "column rating: 'hard'"),
        (3, lambda row: "-1", "column rating: '-1'"),
        (3, lambda row: "1.5", "column rating: '1.5'"),
        (3, lambda row: "1,2", "5 fields, but the header names 4"),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_column(
    read: Read, made: Puzzles, tmp_path: Path, field: int, change, message: str
) -> None:
    rows = [line(made, row) for row in range(5)]
    rows[2][field] = change(rows[2])
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    with pytest.raises(HRMDataError, match=rf"x\.csv, line 4.*{message}"):
        read(tmp_path / "x.csv")


def test_files_that_are_no_csv_are_named(read: Read, tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="does not exist"):
        read(tmp_path / "none.csv")
    with pytest.raises(HRMDataError, match="cannot be read"):
        read(tmp_path)
    (tmp_path / "x.csv").write_bytes(HEADER.encode() + b"\n" * 70_000 + b"a,b\xff,c,d\n")  # far into the file
    with pytest.raises(HRMDataError, match="line 70001: not UTF-8"):
        read(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text(HEADER + '\n"abc')
    with pytest.raises(HRMDataError, match="line 2: not CSV"):
        read(tmp_path / "y.csv")


def test_a_puzzle_with_several_solutions_is_named_by_file_and_line(read: Read, made: Puzzles, tmp_path: Path) -> None:
    rows = [line(made, row) for row in range(6)]
    cell = next(i for i, char in enumerate(rows[3][1]) if char != ".")
    rows[3][1] = _swap(rows[3][1], cell, ".")  # the puzzles are minimal
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    for use in (read, lambda path: build_sudoku(tmp_path / "out", SudokuOptions(train_csv=path, prove=True))):
        with pytest.raises(HRMDataError, match=r"x\.csv, line 5: the puzzle has more than one solution"):
            use(tmp_path / "x.csv")
    assert not (tmp_path / "out").exists()
    assert len(read(tmp_path / "x.csv", prove=False)[0]) == 6


def test_a_puzzle_without_a_solution_is_named_by_file_and_line(read: Read, made: Puzzles, tmp_path: Path) -> None:
    rows = [line(made, row) for row in range(3)]
    cell = rows[1][1].index(".")
    wrong = next(digit for digit in "123456789" if digit != rows[1][2][cell])
    rows[1][1] = _swap(rows[1][1], cell, wrong)  # a minimal puzzle with a wrong clue has no solution
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    with pytest.raises(HRMDataError, match=rf"x\.csv, line 3, column answer: cell {cell + 1} is .*, but the question"):
        read(tmp_path / "x.csv")


def test_a_column_that_stands_there_twice_is_named(read: Read, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("source,question,answer,rating,answer\n")
    with pytest.raises(HRMDataError, match="column answer occurs twice"):
        read(tmp_path / "x.csv")
