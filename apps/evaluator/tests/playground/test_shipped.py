"""The models that come along think in the page as they do in Python."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hrm_data import task_names
from hrm_evaluator import load
from hrm_evaluator.playground._page import MOST_BYTES
from hrm_evaluator.shipped._models import cards


def data_of(page: Path) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


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


@pytest.fixture(scope="module")
def written(pages: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a model that comes along, with 200 puzzles of all kinds that its card tells of."""
    folder = tmp_path_factory.mktemp("shipped")

    @cache
    def write(name: str) -> Path:
        page: Path = pages.write_of(Path(name), "--puzzles", 200, to=folder / f"{name}.html")
        return page

    return write


@pytest.mark.slow
@pytest.mark.parametrize("part", [slice(first, first + 40) for first in range(0, 200, 40)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_comes_along_answers_200_puzzles_as_in_python(
    pages: Any, written: Callable[[str], Path], name: str, part: slice
) -> None:
    page, solver = written(name), load(name)
    puzzles = data_of(page)[0]["examples"][part]
    boards = [solver.task.decode(np.array(example["puzzle"], np.int32)) for example in puzzles]
    assert len(boards) == 40
    answers = pages.answers(page, part)
    expected = [(right.record.answer.tokens, right.steps) for right in solver.solve_many(boards)]
    assert [(answer["tokens"], answer["step"]) for answer in answers] == expected
