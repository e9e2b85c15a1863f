"""The Python API: load a checkpoint, solve puzzles."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from hrm_data import open_dataset
from hrm_data.sudoku import SudokuOptions, build_sudoku
from hrm_evaluator import Solver, UserError, load
from hrm_model import HaltingRule, reference_config, save_reference_weights
from hrm_train import RunDirectory

PUZZLE = "12..34..2.4..3.1"
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "solve_puzzles.py"


@pytest.fixture(scope="module")
def solver(run: RunDirectory) -> Solver:
    return load(run.path, halting=HaltingRule("max"))


def test_a_solution_says_all_about_an_answer(solver: Solver) -> None:
    solution = solver.solve(PUZZLE, trace=True)
    assert solution.puzzle.shape == solution.answer.shape == (4, 4)
    assert solution.text == solver.task.text(solution.answer)
    assert solution.steps == solver.max_steps == 3
    assert 0 <= solution.confidence <= 1
    assert solution.valid == solver.task.check(solution.puzzle, solution.answer) == (not solution.faults)
    assert len(solution.trace) == 3
    np.testing.assert_array_equal(solution.trace[-1], solution.answer)
    assert str(solution) == str(solver.task.render(solution.answer))
    assert solution.text in repr(solution)
    assert solver.solve(PUZZLE).trace == ()


def test_a_named_puzzle_is_answered_with_its_own_embedding(solver: Solver) -> None:
    assert solver.knows("<blank>")
    assert not solver.knows("other")
    assert solver.solve(PUZZLE, "<blank>").text == solver.solve(PUZZLE).text


def test_text_and_board_are_the_same_puzzle(solver: Solver) -> None:
    assert solver.solve(PUZZLE).text == solver.solve(solver.read(PUZZLE)).text


def test_many_are_solved_in_order_as_they_are_drawn(run: RunDirectory, dataset: Path) -> None:
    solver = load(run.path, batch_size=4)
    tokens = open_dataset(dataset, "test").sets["all"].inputs
    boards = [solver.task.decode(row) for row in tokens.astype(np.int32)]
    drawn = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal drawn
        while True:
            drawn += 1
            yield boards[(drawn - 1) % len(boards)]

    for number, solution in enumerate(islice(solver.solve_many(endless()), 30)):
        np.testing.assert_array_equal(solution.puzzle, boards[number % len(boards)])
        assert drawn - number <= 3 * 4 + 4  # of four slots, three may go through all steps while one waits
    assert list(solver.solve_many([])) == []


def test_run_checkpoint_file_and_newest_run_are_the_same_model(
    run: RunDirectory, dataset: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.safetensors"
    shutil.copy(run.newest_checkpoint() / "model.safetensors", alone)
    ways = (
        load(run.path),
        load(str(run.newest_checkpoint())),
        load(runs=run.path.parent),
        load(alone, data_path=dataset),
    )
    assert len({solver.solve(PUZZLE).text for solver in ways}) == 1


@pytest.fixture
def reference(run: RunDirectory, tmp_path: Path) -> Path:
    """The run's model as the reference's trainer would leave it."""
    model = load(run.path).models[0]
    file = tmp_path / "step_4.safetensors"
    save_reference_weights(model, file)
    weights = dict(mx.load(str(file)))
    mx.eval(weights)
    mx.save_safetensors(str(file), weights)  # without our metadata
    (tmp_path / "all_config.yaml").write_text(json.dumps({"arch": reference_config(model.config)}))
    return tmp_path


def test_a_checkpoint_of_the_reference_is_opened_when_the_puzzles_are_known(
    reference: Path, dataset: Path, run: RunDirectory, evaluator: Callable[..., tuple[int, str, str]]
) -> None:
    expected = load(run.path).solve(PUZZLE)
    for path in (reference, reference / "step_4.safetensors"):
        solution = load(path, data_path=dataset).solve(PUZZLE)
        assert (solution.text, solution.steps) == (expected.text, expected.steps)
    code, out, err = evaluator("solve", PUZZLE, "--checkpoint", reference, "--data-path", dataset, "--json")
    assert json.loads(out)["answer"] == expected.text, err
    code, _, err = evaluator("--checkpoint", reference, "--data-path", dataset)
    assert code == 0, err
    code, _, err = evaluator("solve", PUZZLE, "--checkpoint", reference)
    assert code == 2
    assert "--data-path" in err
    code, _, err = evaluator("solve", PUZZLE, "--checkpoint", reference, "--task", "sudoku")
    assert code == 2
    assert "vocab_size is 11 for the task sudoku-3x3, but 6 in" in err


def test_an_export_needs_neither_its_run_nor_a_task(run: RunDirectory, tmp_path: Path) -> None:
    solver = load(run.path)
    save_reference_weights(solver.models[0], tmp_path / "step_4.safetensors")
    (tmp_path / "all_config.yaml").write_text(json.dumps({"arch": reference_config(solver.models[0].config)}))
    alone = load(tmp_path)
    assert alone.task.name == "sudoku-2x2"
    assert alone.solve(PUZZLE).text == solver.solve(PUZZLE).text


def test_an_id_of_the_hub_is_looked_for_there(
    monkeypatch: pytest.MonkeyPatch, reference: Path, dataset: Path, tmp_path: Path
) -> None:
    asked = []

    def download(hub_id: str) -> Path:
        asked.append(hub_id)
        return reference

    monkeypatch.setattr("hrm_evaluator.loading._checkpoint.download_checkpoint", download)
    monkeypatch.chdir(tmp_path)
    assert load("hf://someone/model", data_path=dataset).solve(PUZZLE).text
    assert asked == ["someone/model"]
    for path in ("someone/model", Path("someone/model"), "a/b/c", "/someone/model"):
        with pytest.raises(UserError, match="does not exist") as caught:
            load(path)
        assert ("is written hf://someone/model" in str(caught.value)) == (str(path) == "someone/model")
    for name in ("hf://", "hf://model", "hf://a/b/c", "hf://../model", f"hf://a/{'b' * 200}"):
        with pytest.raises(UserError, match="is no repository of the hub; write hf://OWNER/NAME"):
            load(name)
    assert asked == ["someone/model"]


def test_mistakes_are_one_kind_of_error_and_name_what_is_wrong(solver: Solver, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "nothing")
    with pytest.raises(UserError, match="15 characters"):
        solver.solve(PUZZLE[:15])
    with pytest.raises(UserError, match="puzzle 2 is wrong: the clues contradict"):
        list(solver.solve_many([PUZZLE, "11" + PUZZLE[2:]]))
    with pytest.raises(UserError, match="knows no puzzle 'other'"):
        solver.solve(PUZZLE, "other")
    with pytest.raises(UserError, match="board"):
        solver.solve(np.zeros((3, 3), int))


def test_a_model_for_other_puzzles_names_both_sides(run: RunDirectory, tmp_path: Path) -> None:
    other = build_sudoku(tmp_path / "6x6", SudokuOptions(box=(2, 3), train=1, test=2))
    with pytest.raises(UserError, match=r"seq_len is 36 for the task sudoku-2x3, but 16 in .*model.safetensors"):
        load(run.path, data_path=other)


def test_importing_the_package_waits_for_nothing() -> None:
    code = "import sys, hrm_evaluator; sys.exit(any(m in sys.modules for m in ('mlx', 'numpy', 'matplotlib', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the example is part of the workspace's documentation")
def test_the_example_program_runs(run: RunDirectory) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE, run.path],
        input=f"# two\n{PUZZLE}\n11..\n{PUZZLE} # again\n",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "sudoku-2x2, at most 3 steps" in done.stdout
    assert done.stdout.count("% sure") == 2
    assert "line 3: the puzzle has" in done.stdout
    assert "after 1:" in done.stdout


def test_copies_and_checkpoints_vote_on_every_puzzle_of_a_stream(run: RunDirectory, dataset: Path) -> None:
    solver = load(run.path, batch_size=4, votes=3, checkpoints=2)
    tokens = open_dataset(dataset, "test").sets["all"].inputs
    boards = [solver.task.decode(row) for row in tokens.astype(np.int32)]
    plain = [load(path) for path in reversed(sorted(run.checkpoint_directory.iterdir()))]
    for board, solution in zip(boards, solver.solve_many(boards), strict=True):
        np.testing.assert_array_equal(solution.puzzle, board)
        assert solution.votes == len(solution.record.votes) == 6
        for vote, one in zip(solution.record.votes[:2], plain, strict=True):  # the newest checkpoint first
            assert vote.tokens == one.solve(board).record.answer.tokens
        given = [vote.tokens for vote in solution.record.votes]
        assert solution.agreeing == max(map(given.count, given))
        assert given.count(solution.record.answer.tokens) == solution.agreeing


def test_more_checkpoints_than_there_are_cannot_vote(run: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"^checkpoints 9: .* has 2 intact checkpoints"):
        load(run.path, checkpoints=9)


def test_parameters_may_change_between_calls(run: RunDirectory) -> None:
    solver = load(run.path, halting=HaltingRule("max"))
    before = solver.solve(PUZZLE)
    head = solver.models[0].lm_head
    head.weight = mx.zeros_like(head.weight)
    after = solver.solve(PUZZLE)
    assert set(after.record.answer.tokens) == {0}
    assert before.record.answer.tokens != after.record.answer.tokens
