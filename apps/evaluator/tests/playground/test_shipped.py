"""The models that come along think in the page as they do in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import task_names
from hrm_evaluator import load
from hrm_evaluator.playground._page import MOST_BYTES
from hrm_evaluator.shipped._models import cards

NAMES = [name for name, card in cards().items() if card.task["task"] in task_names()]


@pytest.mark.skipif(not NAMES, reason="needs models that come along")
def test_without_a_model_the_page_holds_all_that_come_along(
    tmp_path: Path, evaluator: Callable[..., tuple[int, str, str]]
) -> None:
    file = tmp_path / "page.html"
    code, out, err = evaluator("playground", file, "--puzzles", 4)
    assert code == 0, err
    assert file.stat().st_size <= MOST_BYTES
    assert out.endswith(f" bytes, {', '.join(NAMES)}\n")
    for name in cards().keys() - NAMES:
        assert f"{name} is left out: it needs the package" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_comes_along_answers_200_puzzles_as_in_python(pages: Any, tmp_path: Path, name: str) -> None:
    page = pages.write_of(Path(name), "--puzzles", 200, to=tmp_path / "page.html")
    solver = load(name)
    with pages.opened(page) as shown:
        puzzles = shown.evaluate("MODELS[0].examples.map((example) => example.puzzle)")
    answers = pages.answers(page)
    boards = [solver.task.decode(np.array(puzzle, np.int32)) for puzzle in puzzles]
    assert len(boards) == 200
    expected = [(right.record.answer.tokens, right.steps) for right in solver.solve_many(boards)]
    assert [(answer["tokens"], answer["step"]) for answer in answers] == expected
