"""What `evaluator playground` writes: one file of bounded size that refers to nothing else, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import ArcTask, HRMDataError, Picture, Task, draw_grid
from hrm_data.maze import MazeTask
from hrm_data.sudoku import SudokuTask
from hrm_evaluator._errors import UserError
from hrm_evaluator.playground._board import describe_board
from hrm_evaluator.playground._examples import Example, new_examples
from hrm_evaluator.playground._page import MOST_BYTES, Shown, playground
from hrm_model import HRM, HRMConfig, load_model, save_weights
from hrm_train import RunDirectory

Call = Callable[..., tuple[int, str, str]]


def data_of(text: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: list[dict[str, Any]] = json.loads(found[1])
    return data


def saved(path: Path, task: Task, **arch: Any) -> Path:
    """A file of an untrained model."""
    sizes = {"seq_len": task.seq_len, "vocab_size": task.vocab_size, "num_puzzle_identifiers": 1}
    model = HRM(
        HRMConfig(
            **{"hidden_size": 32, "num_heads": 2, "puzzle_emb_ndim": 0, "H_layers": 1, "L_layers": 1} | arch, **sizes
        )
    )
    model.task = json.dumps(task.to_json())
    save_weights(model, path)
    return path


def test_the_page_of_a_run_holds_its_test_puzzles_and_refers_to_nothing_else(
    run: RunDirectory, tmp_path: Path, evaluator: Call
) -> None:
    file = tmp_path / "new" / "page.html"
    code, out, err = evaluator("playground", file, "--checkpoint", run.path, "--json")
    assert code == 0, err
    text = file.read_text()
    said = json.loads(out)
    assert said == {"output": str(file), "bytes": file.stat().st_size, "models": ["sudoku-2x2"], "rounded": []}
    assert file.stat().st_size <= MOST_BYTES
    assert not re.search(r"https?:|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|src=|import\(|fetch\(", text)
    [one] = data_of(text)
    assert len(one["examples"]) == 11
    task = SudokuTask((2, 2))
    for example in one["examples"]:
        puzzle, solution = (task.decode(np.array(example[name], np.int32)) for name in ("puzzle", "solution"))
        assert task.check(puzzle, solution)
    assert list(file.parent.iterdir()) == [file]


def test_nothing_is_overwritten_unless_that_is_asked_for(run: RunDirectory, tmp_path: Path, evaluator: Call) -> None:
    file = tmp_path / "page.html"
    file.write_text("mine")
    code, _, err = evaluator("playground", file, "--checkpoint", run.path)
    assert (code, file.read_text()) == (2, "mine")
    assert f"{file}: exists already" in err
    assert evaluator("playground", file, "--checkpoint", run.path, "--overwrite")[0] == 0
    assert file.read_text() != "mine"


@pytest.mark.parametrize("task", [SudokuTask((2, 3)), MazeTask(7)], ids=lambda task: task.name)
def test_a_model_without_a_dataset_gets_new_puzzles(task: Task, tmp_path: Path, evaluator: Call) -> None:
    file = tmp_path / "page.html"
    weights = saved(tmp_path / "model.safetensors", task)
    assert evaluator("playground", file, "--checkpoint", weights, "--puzzles", 4)[0] == 0
    [one] = data_of(file.read_text())
    assert len(one["examples"]) == 4
    assert one["board"]["task"] == task.name


def test_where_no_puzzles_can_be_made_a_dataset_is_asked_for(tmp_path: Path, evaluator: Call) -> None:
    weights = saved(tmp_path / "model.safetensors", ArcTask("arc1"))
    code, _, err = evaluator("playground", tmp_path / "page.html", "--checkpoint", weights)
    assert code == 2
    assert "--examples" in err
    assert not (tmp_path / "page.html").exists()


def test_examples_must_be_those_of_the_task(tmp_path: Path, dataset: Path, evaluator: Call) -> None:
    weights = saved(tmp_path / "model.safetensors", SudokuTask((2, 3)))
    code, _, err = evaluator("playground", tmp_path / "p.html", "--checkpoint", weights, "--examples", dataset)
    assert code == 2
    assert f"{dataset}: seq_len is 16, but 36 for sudoku-2x3" in err


def test_weights_that_do_not_fit_are_rounded_and_a_model_that_is_still_too_large_is_refused(
    tmp_path: Path, evaluator: Call
) -> None:
    for width, fits in ((160, True), (512, False)):
        weights = saved(
            tmp_path / f"{width}.safetensors", SudokuTask((2, 2)), hidden_size=width, H_layers=2, L_layers=2
        )
        assert weights.stat().st_size * 4 / 3 > MOST_BYTES
        file = tmp_path / f"{width}.html"
        code, out, err = evaluator("playground", file, "--checkpoint", weights, "--puzzles", 2)
        assert file.exists() == fits
        if fits:
            assert "rounded to 8 bits" in out
            assert file.stat().st_size <= MOST_BYTES
            assert (data_of(file.read_text())[0]["bits"], data_of(file.read_text())[0]["rounded"]) == (8, True)
        else:
            assert code == 2
            [has, most] = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]{6,}", err)]
            assert has > most == MOST_BYTES
            assert str(weights) in err


def test_a_page_may_hold_many_models(tmp_path: Path) -> None:
    shown = []
    for task in (SudokuTask((2, 2)), MazeTask(5)):
        weights = saved(tmp_path / f"{task.name}.safetensors", task)
        shown.append(Shown(f"a <{task.name}>", weights, load_model(weights), task, new_examples(task, [{}], 3)))
    page = playground(shown)
    assert [one["name"] for one in data_of(page.text)] == ["a <sudoku-2x2>", "a <maze-5x5>"]
    assert 'id="weights-1"' in page.text


def test_only_rows_of_the_puzzle_table_that_are_needed_are_written(tmp_path: Path) -> None:
    task = SudokuTask((2, 2))
    weights = saved(tmp_path / "model.safetensors", task, puzzle_emb_ndim=32)
    one = new_examples(task, [{}], 1)[0]
    sizes = {"num_puzzle_identifiers": 5000}
    large = HRM(HRMConfig(**load_model(weights).config.model_dump() | sizes))
    page = playground([Shown("many", weights, large, task, [Example(one.puzzle, one.solution, 4000)])])
    assert len(page.text) < 5000 * 32 * 4
    assert [example["row"] for example in data_of(page.text)[0]["examples"]] == [1]


class Odd(SudokuTask):
    """A task that draws its cells in another way."""

    def __init__(self, way: str) -> None:
        super().__init__((2, 2))
        self._way = way

    def render(self, board: np.ndarray) -> Picture:
        symbols = np.array(list(self.text(board))).reshape(4, 4)
        if self._way == "nothing":
            return Picture(("solved" if (board > 0).all() else "not solved",))
        if self._way == "half":
            return draw_grid(symbols[:2])
        symbols[0] = np.where(symbols[0] == "1", "A", symbols[0])
        return draw_grid(symbols)


@pytest.mark.parametrize("way", ["nothing", "half", "by place"])
def test_a_task_that_cannot_be_drawn_cell_by_cell_is_refused(way: str) -> None:
    puzzles = [example.puzzle for example in new_examples(SudokuTask((2, 2)), [{}], 5)]
    with pytest.raises(UserError, match="sudoku-2x2 cannot be drawn"):
        describe_board(Odd(way), puzzles)


def test_what_may_be_typed_is_what_the_task_reads() -> None:
    for task in (SudokuTask((2, 3)), MazeTask(5)):
        board = describe_board(task, [example.puzzle for example in new_examples(task, [{}], 5)])
        assert [board["rows"] * board["columns"], sorted(board["cells"])] == [task.seq_len, list(range(task.seq_len))]
        for char, token in board["typed"].items():
            assert task.encode(task.parse(char * task.seq_len)).tolist() == [token] * task.seq_len
        for char in set("abcdefgh!%&") - set(board["typed"]):
            with pytest.raises(HRMDataError):
                task.check_puzzle(task.parse(char * task.seq_len))
    assert board["typed"] == {"#": 1, ".": 2, "S": 3, "G": 4, " ": 2}


def test_boards_of_any_size_stand_on_their_canvas() -> None:
    task = ArcTask("arc1")
    grids = [np.array([[0, 1], [2, 3], [4, 5]], np.uint8), np.full((30, 30), 7, np.uint8)]
    board = describe_board(task, [task.encode(grid) for grid in grids])
    assert board["canvas"] == {"edge": 1, "outside": 0}
    assert (board["rows"], board["columns"], board["blank"]) == (30, 30, 2)
    assert [board["typed"][digit] for digit in "0123456789"] == list(range(2, 12))
