from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hrm_data import HRMDataError
from hrm_data.sudoku import Puzzles, SudokuOptions, build_sudoku, generate_sudoku
from hrm_data.sudoku._csv import read_csv

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


def test_all_rows_come_back_in_order(made: Puzzles, file: Path) -> None:
    back = read_csv(file)
    assert all((one == two).all() for one, two in zip(made, back, strict=True))
    assert back.puzzles.dtype == back.solutions.dtype == np.uint8


def test_other_column_orders_line_ends_quotes_and_zero_blanks_are_read(made: Puzzles, tmp_path: Path) -> None:
    source, question, answer, rating = line(made, 0)
    header, zeros = "\ufeffrating,extra,answer,question,source", question.replace(".", "0")
    text = f'{header}\r\n{rating},"a,b",{answer},{zeros},{source}\r\n'
    (tmp_path / "x.csv").write_bytes(text.encode())
    back = read_csv(tmp_path / "x.csv")
    assert (back.puzzles == made.puzzles[:1]).all()
    assert back.ratings.tolist() == [made.ratings[0]]


def test_small_boards_are_read(tmp_path: Path) -> None:
    small = generate_sudoku(20, (2, 3))
    assert (read_csv(save(tmp_path / "x.csv", small), (2, 3)).puzzles == small.puzzles).all()


def test_a_subsample_is_drawn_by_seed_and_keeps_the_order(made: Puzzles, file: Path) -> None:
    one, two, other = (read_csv(file, subsample=50, seed=seed) for seed in (1, 1, 2))
    assert len(one.puzzles) == 50
    assert (one.puzzles == two.puzzles).all()
    assert not (one.puzzles == other.puzzles).all()
    places = [int(np.flatnonzero((made.puzzles == row).all(axis=1))[0]) for row in one.puzzles]
    assert places == sorted(set(places))


def test_a_subsample_is_the_same_whatever_is_dropped_on_the_way(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_csv(file, subsample=20)
    monkeypatch.setattr("hrm_data.sources._csv._CHUNK", 3)
    monkeypatch.setattr("hrm_data.sudoku._csv._WAITING", 5)
    assert (read_csv(file, subsample=20).puzzles == whole.puzzles).all()


def test_ratings_limit_what_is_read(made: Puzzles, file: Path) -> None:
    back = read_csv(file, min_rating=2, max_rating=4)
    assert (back.puzzles == made.puzzles[(made.ratings >= 2) & (made.ratings <= 4)]).all()
    assert set(read_csv(file, min_rating=2, subsample=30).ratings) <= set(range(2, 1000))


def test_asking_for_more_than_there_is_fails(file: Path) -> None:
    with pytest.raises(HRMDataError, match=r"puzzles\.csv has 300 puzzles .* subsample is 301"):
        read_csv(file, subsample=301)
    with pytest.raises(HRMDataError, match="subsample is -1"):
        read_csv(file, subsample=-1)


@pytest.mark.parametrize("header", ["", "question,answer,rating", "source,question,rating", "a;b"])
def test_missing_columns_are_named(tmp_path: Path, header: str) -> None:
    (tmp_path / "x.csv").write_text(header)
    with pytest.raises(HRMDataError, match=r"x\.csv, line 1: column .* is missing.*source,question,answer,rating"):
        read_csv(tmp_path / "x.csv")


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
    made: Puzzles, tmp_path: Path, field: int, change, message: str
) -> None:
    rows = [line(made, row) for row in range(5)]
    rows[2][field] = change(rows[2])
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    with pytest.raises(HRMDataError, match=rf"x\.csv, line 4.*{message}"):
        read_csv(tmp_path / "x.csv")


def test_files_that_are_no_csv_are_named(tmp_path: Path) -> None:
    with pytest.raises(HRMDataError, match="does not exist"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(HRMDataError, match="cannot be read"):
        read_csv(tmp_path)
    (tmp_path / "x.csv").write_bytes(HEADER.encode() + b"\n" * 70_000 + b"a,b\xff,c,d\n")  # far into the file
    with pytest.raises(HRMDataError, match="line 70001: not UTF-8"):
        read_csv(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text(HEADER + '\n"abc')
    with pytest.raises(HRMDataError, match="line 2: not CSV"):
        read_csv(tmp_path / "y.csv")


def test_a_puzzle_with_several_solutions_is_named_by_file_and_line(made: Puzzles, tmp_path: Path) -> None:
    rows = [line(made, row) for row in range(6)]
    cell = next(i for i, char in enumerate(rows[3][1]) if char != ".")
    rows[3][1] = _swap(rows[3][1], cell, ".")  # the puzzles are minimal
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    for use in (read_csv, lambda path: build_sudoku(tmp_path / "out", SudokuOptions(train_csv=path, prove=True))):
        with pytest.raises(
            HRMDataError, match=r"x\.csv, line 5, column question: the puzzle has more than one solution"
        ):
            use(tmp_path / "x.csv")
    assert not (tmp_path / "out").exists()
    assert len(read_csv(tmp_path / "x.csv", prove=False).puzzles) == 6


def test_a_puzzle_without_a_solution_is_named_by_file_and_line(made: Puzzles, tmp_path: Path) -> None:
    rows = [line(made, row) for row in range(3)]
    cell = rows[1][1].index(".")
    wrong = next(digit for digit in "123456789" if digit != rows[1][2][cell])
    rows[1][1] = _swap(rows[1][1], cell, wrong)  # a minimal puzzle with a wrong clue has no solution
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    with pytest.raises(HRMDataError, match=rf"x\.csv, line 3, column answer: cell {cell + 1} is .*, but the question"):
        read_csv(tmp_path / "x.csv")


def test_a_column_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("source,question,answer,rating,answer\n")
    with pytest.raises(HRMDataError, match="column answer stands there twice"):
        read_csv(tmp_path / "x.csv")
