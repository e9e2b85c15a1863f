"""The command `evaluator solve` with one puzzle."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data.sudoku import SudokuTask
from hrm_evaluator._errors import UserError
from hrm_evaluator.cli import main
from hrm_evaluator.puzzles._read import read_board
from hrm_model import Answer, ContinuousPredictor, Thought
from hrm_train import RunDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Call = Callable[..., tuple[int, str, str]]
PUZZLE = "12..34..2.4..3.1"
SOLUTION = "1234341221434321"
TASK = SudokuTask((2, 2))


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the model answer with a given line, after 2 steps."""

    def use(line: str) -> None:
        tokens = TASK.encode(TASK.parse(line)).tolist()

        def answers(self: ContinuousPredictor, batches: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
            for _ in batches:
                yield Answer(tokens, 2, 1.0, -1.0, (Thought(tokens, 0.0, 0.0), Thought(tokens, 1.0, -1.0)))

        monkeypatch.setattr(ContinuousPredictor, "__call__", answers)

    return use


def test_a_valid_answer_is_shown_and_exits_with_0(
    run: RunDirectory, answer_with: Callable[[str], None], evaluator: Call
) -> None:
    answer_with(SOLUTION)
    code, out, err = evaluator("solve", PUZZLE, "--checkpoint", run.path)
    assert (code, err) == (0, "")
    assert f"\n{SOLUTION}\n" in out
    assert "valid: the answer solves the puzzle" in out
    assert "2 of 3 steps" in out
    assert "!" not in out
    assert "| 1 2 | . . |    | 1 2 | 3 4 |" in out


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("1234341221434322", "breaks the rules and changes clues"),
        ("4321341221431234", "breaks the rules and changes clues"),
        ("2134341221434321", "breaks the rules and changes clues"),
        ("2143432112343412", "changes clues"),
        ("123434122143432.", "leaves cells empty and changes clues"),
        ("12343412.1434321", "leaves cells empty and changes clues"),
    ],
)
def test_an_answer_that_is_not_valid_says_why_and_exits_with_1(
    answer: str, fault: str, run: RunDirectory, answer_with: Callable[[str], None], evaluator: Call
) -> None:
    answer_with(answer)
    code, out, _ = evaluator("solve", PUZZLE, "--checkpoint", run.path)
    assert code == 1
    assert f"not valid: the answer {fault}" in out
    assert "!" in out


def test_json_is_all_that_is_printed(run: RunDirectory, answer_with: Callable[[str], None], evaluator: Call) -> None:
    answer_with(SOLUTION)
    code, out, err = evaluator("solve", PUZZLE, "--checkpoint", run.path, "--json")
    found: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["puzzle"], found["answer"]) == (PUZZLE, SOLUTION)
    assert found["valid"]
    assert (found["steps"], found["max_steps"]) == (2, 3)


def test_the_model_itself_answers_with_a_whole_line(run: RunDirectory, evaluator: Call) -> None:
    code, out, _ = evaluator("solve", PUZZLE, "--checkpoint", run.path, "--json")
    found = json.loads(out)
    board, answer = TASK.parse(PUZZLE), TASK.parse(found["answer"])
    assert code == (0 if TASK.check(board, answer) else 1)
    assert found["valid"] == TASK.check(board, answer)
    assert 1 <= found["steps"] <= 3


def test_votes_are_told(run: RunDirectory, evaluator: Call) -> None:
    options = ("--votes", 3, "--checkpoints", 2, "--checkpoint", run.path)
    found = json.loads(evaluator("solve", PUZZLE, *options, "--json")[1])
    assert found["votes"] == 6
    assert 1 <= found["agreeing"] <= 6
    assert f"{found['agreeing']} of 6 votes" in evaluator("solve", PUZZLE, *options)[1]
    both = evaluator("solve", PUZZLE, PUZZLE, *options, "--json")[1].splitlines()
    assert [json.loads(line)["votes"] for line in both] == [6, 6]
    assert "votes" not in json.loads(evaluator("solve", PUZZLE, "--checkpoint", run.path, "--json")[1])


def test_a_data_path_without_a_task_is_named(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    code, _, err = evaluator("solve", PUZZLE, "--checkpoint", run.path, "--data-path", tmp_path)
    assert code == 2
    assert f"--data-path {tmp_path}: has no task.json" in err


def test_a_puzzle_for_another_board_names_both_sides(run: RunDirectory, evaluator: Call) -> None:
    code, _, err = evaluator("solve", "." * 81, "--checkpoint", run.path)
    assert code == 2
    assert "the puzzle has 81 characters" in err
    assert "sudoku-2x2" in err
    assert "a puzzle has 16" in err


@pytest.mark.parametrize(
    "text", ["12--34--2-4--3-1", "12../34../2.4./.3.1", "[[1,2,0,0],[3,4,0,0],[2,0,4,0],[0,3,0,1]]", "12  34  2 4  3 1"]
)
def test_one_puzzle_is_read_in_the_layouts_of_a_file(text: str, run: RunDirectory, evaluator: Call) -> None:
    _, out, _ = evaluator("solve", "--checkpoint", run.path, "--json", "--", text)
    assert json.loads(out)["puzzle"] == PUZZLE


def test_clues_that_contradict_each_other_are_named(run: RunDirectory, evaluator: Call) -> None:
    code, _, err = evaluator("solve", "1..1" + "." * 12, "--checkpoint", run.path)
    assert code == 2
    assert "digit 1 at row 1 column 1, row 1 column 4" in err


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40).filter(
        lambda text: len("".join(text.split())) != 16 and text != "-"
    )
)
def test_any_other_length_is_refused_by_name(text: str, run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["solve", "--checkpoint", str(run.path), "--", text])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert f"the puzzle has {len(''.join(text.split()))} characters" in err


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 15),
    char=st.characters(blacklist_categories=["Cs"]).filter(
        lambda c: not set(unicodedata.normalize("NFKC", c)) <= set("01234.*_ ") and not c.isspace()
    ),
)
def test_any_other_character_is_refused_by_name_and_place(
    at: int, char: str, run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PUZZLE[:at] + char + PUZZLE[at + 1 :]
    code = main(["solve", "--checkpoint", str(run.path), "--", text])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert f"character {char!r} at position {at + 1} (row {at // 4 + 1}, column {at % 4 + 1})" in err


@given(
    cells=st.lists(st.sampled_from("1234.0*_"), min_size=16, max_size=16),
    spaces=st.lists(st.sampled_from(["", " ", "\n", "\t"]), min_size=16, max_size=16),
)
def test_a_puzzle_is_read_as_it_is_written_or_its_clues_contradict(cells: list[str], spaces: list[str]) -> None:
    line = "".join("." if cell in "0*_" else cell for cell in cells)
    text = "".join(map("".join, zip(cells, spaces, strict=True)))
    if TASK.violations(TASK.parse(line)).any():
        with pytest.raises(UserError, match="contradict"):
            read_board(TASK, text)
        return
    board = read_board(TASK, text)
    assert TASK.text(TASK.decode(TASK.encode(board))) == line
    np.testing.assert_array_equal(read_board(TASK, line), board)


def test_a_search_says_what_it_took_or_that_nothing_was_found(run: RunDirectory, evaluator: Call) -> None:
    puzzle = "......135.......13.4.2.....5..2...41"  # needs two steps
    words = ("solve", puzzle, "--model", "sudoku-6x6", "--max-steps", 1, "--until-valid", "--time-limit", 60)
    code, out, _ = evaluator(*words)
    assert code == 0
    assert "searched for" in out
    told = json.loads(evaluator(*words, "--json")[1])
    assert told["valid"]
    assert told["search"]["found"] == "more steps"
    assert "no search: the first answer is valid" in evaluator(*words, "--max-steps", 16)[1]
    code, out, err = evaluator(
        *("solve", "1...2...3...4...", "--checkpoint", run.path), *("--until-valid", "--time-limit", 0.01, "--json")
    )
    assert err == ""
    told = json.loads(out)
    assert code == (0 if told["valid"] else 1)
    code, _, err = evaluator("solve", puzzle, "--checkpoint", run.path, "--time-limit", 5)
    assert code == 2
    assert "--time-limit 5 bounds a search; add --until-valid" in err
