"""Binairo: puzzles have one solution, and so have their copies; texts become a dataset or are refused by line."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_binairo import BinairoTask, make_binairo, pairs_of, read_pairs
from hrm_binairo._make import count_solutions, smallest_copy
from hrm_data import HRMDataError, get_family, open_dataset
from hrm_data.dataset import find_faults
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([6, 8]), st.integers(0, 2**32))
def test_puzzles_have_one_solution_and_so_have_their_copies(size: int, seed: int) -> None:
    task, rng = BinairoTask(size), np.random.default_rng(seed)
    puzzle, solution = make_binairo(size, rng)
    assert task.check(puzzle, solution)
    assert count_solutions(puzzle) == 1
    tokens = (np.stack([task.encode(board)] * 8) for board in (puzzle, solution))
    for inputs, label in zip(*task.augment()(*tokens, rng), strict=True):
        assert task.check(task.decode(inputs), task.decode(label))
        assert smallest_copy(task.decode(inputs)) == smallest_copy(puzzle)
    lines = [task.text(puzzle), "", *task.render(solution).lines]
    found = [task.parse(text).tolist() for _, text in task.find_puzzles(lines)]
    assert found == [puzzle.tolist(), solution.tolist()]


def write(path: Path, items: list[Any]) -> Path:
    path.write_text("\n".join(item if isinstance(item, str) else json.dumps(item) for item in items))
    return path


def test_the_boards_of_texts_are_those_that_the_generator_made(tmp_path: Path) -> None:
    """Whatever stands around them."""
    task, rng = BinairoTask(6), np.random.default_rng(3)
    made = [make_binairo(6, rng) for _ in range(4)]
    pairs = list(islice(pairs_of(6, seed=3), 4))
    pairs[1]["answer"] = f"The answer is:\n\n{pairs[1]['answer']}\n\nI am sure of it."
    pairs[2]["metadata"] = {"difficulty": 1}
    found = list(read_pairs(write(tmp_path / "pairs.jsonl", [*pairs[:2], "", *pairs[2:]]), task))
    assert [task.text(board) for pair in found for board in pair] == [
        task.text(board) for pair in made for board in pair
    ]


def test_a_text_that_is_wrong_is_named_by_its_line(tmp_path: Path) -> None:
    [pair, other] = islice(pairs_of(6), 2)
    grid = pair["answer"].splitlines()
    for item, problem in (
        ("{", "line 2 is no JSON"),
        ([pair], "line 2: field question is None; it must be a text"),
        ({"question": pair["question"]}, "line 2: field answer is None"),
        ({**pair, "answer": 7}, "line 2: field answer is 7"),
        ({**pair, "question": "What is it?"}, "line 2: field question has 0 grids of 6x6"),
        ({**pair, "answer": "\n".join([*grid, "", *grid])}, "line 2: field answer has 2 grids of 6x6"),
        ({**pair, "answer": other["answer"]}, "line 2: the answer [01]{36} to [01_]{36} changes digits"),
        ({**pair, "answer": "\n".join([grid[0], *grid[:5]])}, "line 2: the answer .* has a line twice"),
    ):
        with pytest.raises(HRMDataError, match=problem):
            list(read_pairs(write(tmp_path / "pairs.jsonl", [pair, item]), BinairoTask(6)))
    with pytest.raises(HRMDataError, match=r"none.jsonl cannot be read: .*name a file of JSON lines"):
        list(read_pairs(tmp_path / "none.jsonl", BinairoTask(6)))


@pytest.mark.usefixtures("installed")
def test_a_dataset_of_texts_has_no_copies_and_too_few_texts_are_refused(tmp_path: Path) -> None:
    family, task = get_family("binairo"), BinairoTask(6)
    pairs = list(islice(pairs_of(6), 8))
    file = write(tmp_path / "pairs.jsonl", [*pairs, *pairs])
    options = family.options(size=6, train=5, test=3, pairs=file)
    root = family.build(tmp_path / "made", options, lambda done, total, what: None)
    assert find_faults(root).faults == []
    inputs = np.concatenate([open_dataset(root, split).sets["all"].inputs for split in ("train", "test")])
    assert len({smallest_copy(task.decode(tokens.astype(np.int32))) for tokens in inputs}) == 8
    with pytest.raises(HRMDataError, match="has 8 puzzles that are no copies of each other, but train 9 and test 3"):
        family.build(tmp_path / "more", options.model_copy(update={"train": 9}), lambda done, total, what: None)
    assert not (tmp_path / "more").exists()


def test_the_command_writes_texts_and_replaces_no_file(tmp_path: Path) -> None:
    source = str(Path(sys.modules["hrm_binairo"].__file__ or "").parents[1])
    command = [sys.executable, "-m", "hrm_binairo", "pairs.jsonl", "--size", "6", "--count", "2"]
    for code in (0, 2):
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": source}, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert "pairs.jsonl cannot be made: File exists" in done.stderr
    assert [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()] == list(
        islice(pairs_of(6), 2)
    )
