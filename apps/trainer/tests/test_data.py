"""Which puzzles a run gets: directories of any origin, and datasets made once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hrm_data import PuzzleSet, get_task, write_dataset
from hrm_data.sudoku import SudokuOptions, build_sudoku, generate_sudoku

TINY = ["--train.steps", 2, "--train.global_batch_size", 8, "--arch.hidden_size", 16, "--arch.num_heads", 2]
TINY += ["--arch.H_layers", 1, "--arch.L_layers", 1, "--arch.halt_max_steps", 2]


def config_of(runs: str = "runs") -> dict:
    (file,) = Path(runs).glob("*/config.json")
    return json.loads(file.read_text())


def as_the_reference_writes(root: Path, ignore_label_id: int | None, dtype: type) -> Path:
    """Two sets, no task.json, no identifiers.json, arrays in another order and of another type."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 9)):
        folder = root / split
        folder.mkdir(parents=True)
        for name in ("all", "more"):
            arrays = {
                "inputs": np.asfortranarray(rng.integers(1, 5, (count, 12)).astype(dtype)),
                "labels": np.asfortranarray(rng.integers(0, 5, (count, 12)).astype(dtype)),
                "puzzle_identifiers": rng.integers(0, 3, count // 3).astype(np.int32),
                "puzzle_indices": np.arange(0, count + 1, 3, dtype=np.int32),
                "group_indices": np.arange(count // 3 + 1, dtype=np.int32),
            }
            for field, array in arrays.items():
                np.save(folder / f"{name}__{field}.npy", array)
        (folder / "dataset.json").write_text(
            json.dumps(
                {
                    "pad_id": 0,
                    "ignore_label_id": ignore_label_id,
                    "blank_identifier_id": 0,
                    "vocab_size": 5,
                    "seq_len": 12,
                    "num_puzzle_identifiers": 3,
                    "total_groups": 2 * (count // 3),
                    "mean_puzzle_examples": 3,
                    "sets": ["all", "more"],
                }
            )
        )
    return root


@pytest.mark.parametrize(("ignore", "dtype"), [(0, np.uint8), (None, np.int8), (0, np.uint32)])
def test_a_directory_of_the_references_builders_is_trained_on_as_it_is(ignore, dtype, trainer, tmp_path: Path):
    root = as_the_reference_writes(tmp_path / "theirs", ignore, dtype)
    code, out, err = trainer("--data-path", root, "--preset", "small", *TINY)
    assert (code, err) == (0, "")
    assert "18 held out" in out
    config = config_of()
    assert (config["dataset"], config["task"], config["data"]) == (None, None, {})
    again = trainer("--config", next(Path("runs").glob("*/config.json")), "--runs", "again")
    assert (again.code, again.err) == (0, "")


def test_a_name_says_what_a_directory_without_task_json_holds(trainer, tmp_path: Path):
    root = build_sudoku(tmp_path / "mine", SudokuOptions(train=20, test=8))
    (root / "task.json").unlink()
    code, out, _ = trainer("--data-path", root, "--dataset", "sudoku", "--data.hints=0.5", *TINY, "--preset", "small")
    assert code == 0
    assert "cells wrong" in out
    assert (config_of()["task"], config_of()["data"]) == ({"task": "sudoku", "box": [3, 3]}, {"hints": 0.5})


def test_names_that_contradict_a_directory_are_refused(trainer, tmp_path: Path):
    theirs = as_the_reference_writes(tmp_path / "theirs", 0, np.uint8)
    code, _, err = trainer("--data-path", theirs, "--dataset", "sudoku")
    assert code == 2
    assert "field seq_len is 12, but 81 in puzzles of sudoku-3x3" in err
    (theirs / "task.json").write_text('{"task": "chess"}')
    code, _, err = trainer("--data-path", theirs)
    assert code == 2
    assert "task.json, field task chess" in err


def test_splits_that_differ_in_size_and_an_empty_test_split_are_refused(trainer, tmp_path: Path):
    puzzle = get_task({"task": "sudoku", "box": (2, 2)})
    tokens = np.ones((6, puzzle.seq_len), np.uint8)
    steps = np.arange(7)
    one = PuzzleSet(tokens, tokens, np.zeros(6, int), steps, steps)
    root = write_dataset(tmp_path / "a", {"train": {"all": one}, "test": {"all": one}}, vocab_size=6, seq_len=16)
    file = root / "test" / "dataset.json"
    file.write_text(file.read_text().replace('"vocab_size": 6', '"vocab_size": 7'))
    code, _, err = trainer("--data-path", root)
    assert code == 2
    assert "vocab_size is 6 in train/dataset.json, but 7 in test/dataset.json" in err
    code, _, err = trainer("--data.test", 0, "--data.train", 8, "--data.box", "2,2")
    assert code == 2
    assert "test split has no puzzles" in err


def test_two_runs_at_once_make_a_dataset_once_and_share_it(start, cache: Path):
    words = ["--preset", "small", "--data.train", 999, "--data.test", 8, *TINY]
    runs = [start(*words, "--runs", f"runs{number}") for number in range(2)]
    outs = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outs
    assert sum("Making the dataset" in out for out, _ in outs) == 1
    assert len({config_of(f"runs{number}")["data_path"] for number in range(2)}) == 1


def test_what_an_interrupted_build_left_is_not_used(trainer, cache: Path):
    words = ["--preset", "small", "--data.train", 44, "--data.test", 8, *TINY]
    assert "Making the dataset" in trainer(*words).out
    made = Path(config_of()["data_path"])
    left = made.with_name(f".{made.name}.abc.tmp")
    shutil.move(made, left)
    (left / "test" / "dataset.json").unlink()
    assert "Making the dataset" in trainer(*words, "--runs", "again").out
    assert (made / "test" / "dataset.json").exists()
    assert "Making the dataset" not in trainer(*words, "--runs", "third").out


def test_a_changed_file_is_another_dataset(trainer, tmp_path: Path):
    made = generate_sudoku(60, (2, 2), kind="any", clues=(5, 9))
    rows = ["".join(map(str, row)) for pair in zip(made.puzzles, made.solutions, strict=True) for row in pair]
    lines = [f"x,{puzzle},{answer},0" for puzzle, answer in zip(rows[::2], rows[1::2], strict=True)]
    words = ["--data.train_csv", "a.csv", "--data.box", "2,2", "--data.train", 12, "--data.test", 2, *TINY]
    datasets = set()
    for runs, count in (("one", 60), ("two", 60), ("three", 55)):
        if runs != "two":
            Path("a.csv").write_text("\n".join(["source,question,answer,rating", *lines[:count], ""]))
        assert trainer(*words, "--runs", runs).code == 0
        datasets.add(config_of(runs)["data_path"])
    assert len(datasets) == 2
