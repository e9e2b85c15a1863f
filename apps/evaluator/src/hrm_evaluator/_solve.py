"""The command ``evaluator solve``: answer one puzzle of the user's own."""

import json
import sys
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np
from hrm_data import HRMDataError, Task
from hrm_model import HRM, Batch, Predictor
from rich.console import Console

from hrm_evaluator import _boards
from hrm_evaluator._errors import UserError
from hrm_evaluator._open import Checkpoint, find_checkpoint, open_model, open_task

if TYPE_CHECKING:
    from hrm_evaluator.cli import Solve


def solve(settings: "Solve") -> int:
    """Print the model's answer to a puzzle; return 0 if it is valid and 1 if it breaks the rules."""
    checkpoint = find_checkpoint(settings.checkpoint, settings.runs)
    model = open_model(checkpoint)
    task = _task(checkpoint, model, settings)
    puzzle = read_puzzle(task, _stdin() if settings.puzzle == "-" else settings.puzzle, checkpoint)
    tokens, steps = _answer(model, task.encode(puzzle))
    answer = task.decode(tokens)
    result: dict[str, Any] = {
        "checkpoint": str(checkpoint.weights),
        "puzzle": task.text(puzzle),
        "answer": task.text(answer),
        "valid": task.check(puzzle, answer),
        "faults": list(task.explain(puzzle, answer)),
        "steps": steps,
        "halt_max_steps": model.config.halt_max_steps,
    }
    if settings.as_json:
        print(json.dumps(result))
    else:
        _print(task, task.encode(puzzle), tokens, result)
    return 0 if result["valid"] else 1


def read_puzzle(task: Task, text: str, checkpoint: Checkpoint) -> np.ndarray:
    """Return the board that a user wrote.

    Raises:
        UserError: If it is not a puzzle of this task.
    """
    try:
        puzzle = task.parse(text)
        task.check_puzzle(puzzle)
    except HRMDataError as error:
        trained = f"the model in {checkpoint.weights} was trained on {task.name}"
        raise UserError(f"the puzzle is wrong: {error} ({trained})") from error
    return puzzle


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UserError(f"stdin is not text: {error}") from error


def _task(checkpoint: Checkpoint, model: HRM, settings: "Solve") -> Task:
    if settings.data_path is not None and not (settings.data_path / "task.json").is_file():
        raise UserError(f"--data-path {settings.data_path}: has no task.json, which says what its puzzles are")
    task = open_task(checkpoint, model, settings.data_path)
    if task is None:
        raise UserError(
            f"{checkpoint.weights}: no run says which task it was trained on; "
            "name a dataset directory with a task.json with --data-path"
        )
    return task


def _answer(model: HRM, tokens: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the model's answer to tokens ``[L]``, and the steps after which it would halt."""
    inputs = mx.array(tokens)[None]
    unnamed = mx.zeros((1,), mx.int32)  # the blank identifier
    prediction = Predictor(model)(Batch(inputs=inputs, labels=inputs, puzzle_identifiers=unnamed))
    return np.array(prediction.tokens[0]), int(np.array(prediction.steps)[0])


def _print(task: Task, puzzle: np.ndarray, answer: np.ndarray, result: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(_boards.solved(task, puzzle, answer), soft_wrap=True)
    console.print(f"\n{result['answer']}\n", soft_wrap=True)
    if result["valid"]:
        console.print("valid: the answer solves the puzzle", style="green")
    else:
        broken = " and ".join(result["faults"])
        console.print(f"not valid: the answer {broken} (cells marked !)", style="red")
    if result["steps"] < result["halt_max_steps"]:
        console.print(f"the model would halt after {result['steps']} of {result['halt_max_steps']} steps")
    else:
        console.print(f"the model took all of its {result['halt_max_steps']} steps")
