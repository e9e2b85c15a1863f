"""Question and answer texts, as libraries of generated puzzles give them, and the boards in them."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hrm_data import HRMDataError

from hrm_binairo._make import make_binairo
from hrm_binairo._task import BLANK, BinairoTask

_QUESTION = """\
This is a {size}x{size} grid of a binary puzzle. Replace each _ by 0 or 1, so that every row and column has as many
zeros as ones, nowhere three equal digits in succession, and no two rows or columns are the same. Answer with the grid.

{grid}"""


def pairs_of(size: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield puzzles without end, each as a `question` and its `answer`: in place of such a library."""
    rng = np.random.default_rng(seed)
    while True:
        puzzle, solution = make_binairo(size, rng)
        yield {"question": _QUESTION.format(size=size, grid=_grid(puzzle)), "answer": _grid(solution)}


def _grid(board: np.ndarray) -> str:
    return "\n".join(" ".join("_" if cell == BLANK else str(cell) for cell in row) for row in board.tolist())


def read_pairs(path: Path, task: BinairoTask) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield puzzles and solutions, `[n, n]` each, of a file with a JSON object a line: `question` and `answer`.

    Raises:
        HRMDataError: A line has not one board in each of the two, or an answer breaks a rule.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HRMDataError(f"{path} cannot be read: {error}; name a file of JSON lines") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            item = json.loads(line)
        except ValueError as error:
            raise HRMDataError(f"{where} is no JSON ({error}); write one object a line") from None
        puzzle, solution = (_board_in(item, field, where, task) for field in ("question", "answer"))
        if broken := task.explain(puzzle, solution):
            raise HRMDataError(
                f"{where}: the answer {task.text(solution)} to {task.text(puzzle)} {' and '.join(broken)}; correct it"
            )
        yield puzzle, solution


def _board_in(item: object, field: str, where: str, task: BinairoTask) -> np.ndarray:
    """The only board in a text, whatever is written around it."""
    text = item.get(field) if isinstance(item, dict) else None
    if not isinstance(text, str):
        raise HRMDataError(f"{where}: field {field} is {text!r}; it must be a text with a grid")
    boards = []
    for _, found in task.find_puzzles(text.splitlines()):
        try:
            boards.append(task.parse(found))
        except HRMDataError:  # a line of prose
            continue
    if len(boards) != 1:
        raise HRMDataError(
            f"{where}: field {field} has {len(boards)} grids of {task.size}x{task.size}; it must have one (--size?)"
        )
    return boards[0]
