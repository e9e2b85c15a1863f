from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hrm_data import Dataset, HRMDataError, TrainLoader, get_task, open_dataset
from hrm_data.maze import MazeOptions, Mazes, MazeTask, build_maze, generate_mazes, read_mazes
from hrm_data.symmetry._dihedral import TRANSFORMS, dihedral
from pydantic import ValidationError

HEADER = "source,question,answer,rating"


def line(mazes: Mazes, row: int) -> list[str]:
    task = MazeTask(mazes.puzzles.shape[1])
    return ["made", task.text(mazes.puzzles[row]), task.text(mazes.answers[row]), str(mazes.lengths[row])]


def save(path: Path, mazes: Mazes) -> Path:
    path.write_text("\n".join([HEADER, *(",".join(line(mazes, row)) for row in range(len(mazes.puzzles)))]) + "\n")
    return path


@pytest.fixture(scope="module")
def mazes() -> Mazes:
    return generate_mazes(100, 8, seed=2)


def boards(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    item, size = dataset.sets["all"], int(dataset.metadata.seq_len**0.5)
    return item.inputs.reshape(-1, size, size), item.labels.reshape(-1, size, size)


def walls(puzzles: np.ndarray) -> set[bytes]:
    """Walls of the mazes in all eight positions."""
    return {dihedral(puzzle == 1, k).tobytes() for puzzle in puzzles for k in range(TRANSFORMS)}


def test_generated_splits_hold_solved_mazes_with_different_walls(tmp_path: Path) -> None:
    root = build_maze(tmp_path / "x", MazeOptions(size=7, train=80, test=30, min_length=9))
    train, test = open_dataset(root, "train"), open_dataset(root, "test")
    task = get_task(root)
    assert task == MazeTask(7)
    assert (train.examples, test.examples) == (80, 30)
    assert (train.metadata.vocab_size, train.metadata.seq_len, train.metadata.ignore_label_id) == (6, 49, 0)
    for dataset in (train, test):
        for puzzle, answer in zip(*boards(dataset), strict=True):
            assert task.check(puzzle, answer)
            assert task.measure(puzzle)[1] >= 9
    assert not walls(boards(train)[0]) & walls(boards(test)[0])
    assert train.task is not None
    assert train.task["difficulty"]["train"]["moves"]["min"] >= 9


def test_the_usual_options_are_the_published_setting() -> None:
    assert MazeOptions() == MazeOptions(size=None, train=None, test=None, min_length=None)
    assert generate_mazes(1).lengths[0] > 110


def test_mirrored_training_mazes_are_groups_of_eight(tmp_path: Path) -> None:
    root = build_maze(tmp_path / "x", MazeOptions(size=6, train=10, test=5, mirrored=True))
    item = open_dataset(root, "train").sets["all"]
    assert (item.groups, item.puzzles, item.examples) == (10, 80, 80)
    puzzles, answers = boards(open_dataset(root, "train"))
    for start in range(0, 80, 8):
        for k in range(8):
            assert (puzzles[start + k] == dihedral(puzzles[start], k)).all()
            assert (answers[start + k] == dihedral(answers[start], k)).all()
    assert open_dataset(root, "test").sets["all"].puzzles == 5
    plain = build_maze(tmp_path / "y", MazeOptions(size=6, train=10, test=5))
    assert (boards(open_dataset(plain, "train"))[0] == puzzles[::8]).all()
    assert next(TrainLoader(open_dataset(root, "train"), 4))["inputs"].shape == (4, 36)


def test_a_csv_file_comes_back_whole(mazes: Mazes, tmp_path: Path) -> None:
    back = read_mazes(save(tmp_path / "x.csv", mazes))
    assert all((a == b).all() for a, b in zip(back, mazes, strict=True))


def test_other_columns_and_their_order_do_not_matter(mazes: Mazes, tmp_path: Path) -> None:
    _, question, answer, rating = line(mazes, 0)
    (tmp_path / "x.csv").write_text(f'rating,note,answer,question,source\r\n{rating},"a,b",{answer},"{question}",z\r\n')
    assert (read_mazes(tmp_path / "x.csv").puzzles == mazes.puzzles[:1]).all()


def test_any_shortest_path_may_be_the_answer(tmp_path: Path) -> None:
    rows = ["S   ;    ;    ;   G", "S   ;o   ;o   ;oooG"]
    text = ",".join(["x", *(row.replace(";", "") for row in rows), "6"])
    (tmp_path / "x.csv").write_text(f"{HEADER}\n{text}\n")
    assert read_mazes(tmp_path / "x.csv").lengths.tolist() == [6]


def test_two_files_are_taken_as_they_are_but_for_mazes_of_test_in_train(mazes: Mazes, tmp_path: Path) -> None:
    train = Mazes(*(field[:40] for field in mazes))
    turned = Mazes(*(np.rot90(field[:20], axes=(1, 2)) for field in mazes[:2]), mazes.lengths[:20])
    test = Mazes(*(np.concatenate([a, b[40:60]]) for a, b in zip(turned, mazes, strict=True)))
    options = MazeOptions(train_csv=save(tmp_path / "a.csv", train), test_csv=save(tmp_path / "b.csv", test))
    root = build_maze(tmp_path / "x", options)
    assert (boards(open_dataset(root, "test"))[0] == test.puzzles).all()
    assert (boards(open_dataset(root, "train"))[0] == mazes.puzzles[20:40]).all()
    small = build_maze(tmp_path / "y", MazeOptions(**{**options.model_dump(), "train": 7, "test": 3}))
    assert (open_dataset(small, "train").examples, open_dataset(small, "test").examples) == (7, 3)


def test_one_file_is_divided_by_walls(mazes: Mazes, tmp_path: Path) -> None:
    both = Mazes(*(np.concatenate([a, b]) for a, b in zip(mazes, mazes, strict=True)))
    root = build_maze(tmp_path / "x", MazeOptions(train_csv=save(tmp_path / "a.csv", both), min_length=9))
    train, test = (boards(open_dataset(root, split))[0] for split in ("train", "test"))
    assert len(train) + len(test) == (mazes.lengths >= 9).sum()
    assert len(test) > 0
    assert not walls(train) & walls(test)


def _swap(text: str, at: int, char: str) -> str:
    return text[:at] + char + text[at + 1 :]


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        (1, lambda row: row[1][:-1], "column question: 63 characters, expected 64"),
        (2, lambda row: row[2] + " ", "column answer: 65 characters, expected 64"),
        (1, lambda row: _swap(row[1], row[1].index(" "), "x"), "column question: character 'x' at position"),
        (1, lambda row: _swap(row[1], row[1].index(" "), "o"), "column question: character 'o' at position"),
        (2, lambda row: _swap(row[2], row[2].index("o"), "é"), "column answer: character 'é' at position"),
        (
            1,
            lambda row: row[1].replace("S", " "),
            "column question: the maze has 0 starts and 1 goals, it needs one of each",
        ),
        (1, lambda row: row[1].replace(" ", "G", 1), "column question: the maze has 1 starts and 2 goals"),
        (2, lambda row: row[2].replace("o", " "), "column answer: the marked path does not lead from start to goal"),
        (2, lambda row: row[2].replace("S", "o"), "column answer: row .* is the start in the maze but on the path"),
        (2, lambda row: row[2].replace("#", "o", 1), "column answer: row .* is a wall in the maze but on the path"),
        (2, lambda row: row[2].replace(" ", "o"), "column answer: .* marked"),
        (3, lambda row: "", "column rating: ''"),
        (3, lambda row: "1,2", "5 fields, but the header names 4"),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_column(
    mazes: Mazes, tmp_path: Path, field: int, change, message: str
) -> None:
    rows = [line(mazes, row) for row in range(4)]
    rows[2][field] = change(rows[2])
    (tmp_path / "x.csv").write_text("\n".join([HEADER, *(",".join(row) for row in rows)]))
    with pytest.raises(HRMDataError, match=rf"x\.csv, line 4.*{message}"):
        read_mazes(tmp_path / "x.csv")


def test_source_and_rating_are_not_demanded(mazes: Mazes, tmp_path: Path) -> None:
    rows = [",".join(line(mazes, row)[1:3]) for row in range(5)]
    (tmp_path / "x.csv").write_text("\n".join(["maze,solution", *rows]))
    back = read_mazes(tmp_path / "x.csv")
    assert (back.answers == mazes.answers[:5]).all()
    assert (back.lengths == mazes.lengths[:5]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1: column question, answer is missing, the header has nothing"),
        (HEADER, "holds no mazes, only a header"),
        ("source,question,rating\n", "column answer is missing"),
        (f"{HEADER}\nx,S G,SoG,1\n", "line 2, column question: 3 characters are no square"),
    ],
)
def test_a_file_without_mazes_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(HRMDataError, match=message):
        read_mazes(tmp_path / "x.csv")


def test_requests_that_files_cannot_meet_leave_nothing(mazes: Mazes, tmp_path: Path) -> None:
    file = save(tmp_path / "a.csv", mazes)
    other = save(tmp_path / "b.csv", generate_mazes(5, 6))
    for fields, message in (
        ({"train": 1000}, "different mazes are available for train, 1000 are wanted"),
        ({"min_length": 60}, "only 0 different mazes are available for train"),
        ({"size": 9}, "has mazes of size 8, but size is 9"),
        ({"test_csv": other}, "give files with mazes of one size"),
        ({"train_csv": tmp_path / "none.csv"}, "does not exist"),
    ):
        with pytest.raises(HRMDataError, match=message):
            build_maze(tmp_path / "x", MazeOptions(**{"train_csv": file, **fields}))
    with pytest.raises(HRMDataError, match="exists already; nothing is overwritten"):
        build_maze(tmp_path, MazeOptions(train=10**6))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"test_csv": "x"}, "without train_csv"),
        ({"train_csv": "x", "hub": "a/b"}, "give one of them"),
        ({"hub": "a/b", "unique": True}, "unique is for generated mazes"),
        ({"size": 3}, "size"),
        ({"train": 0}, "train"),
        ({"color": 1}, "color"),
    ],
)
def test_options_that_disagree_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MazeOptions(**fields)
