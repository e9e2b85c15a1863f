"""What the cards of the models that come along say is true."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hrm_data import get_family, get_task, open_dataset, task_names
from hrm_evaluator import load
from hrm_evaluator.shipped._card import Accuracy, Card
from hrm_evaluator.shipped._models import cards, weights_of
from hrm_model import load_model

Call = Callable[..., tuple[int, str, str]]
KNOWN = [card for card in cards().values() if card.task["task"] in task_names()]
FRESH, SEED = 64, 77  # puzzles, and a seed that no card's figures come from


def test_there_are_models_for_all_that_can_be_learnt_in_minutes() -> None:
    assert {"sudoku-6x6", "sudoku-9x9", "maze-11x11", "hitori-5x5"} <= set(cards())


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.name)
def test_a_card_describes_its_file(card: Card) -> None:
    path = weights_of(card.name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card.sha256
    assert path.stat().st_size <= 1_000_000
    model = load_model(path)
    assert json.loads(model.task or "") == card.task
    assert model.quantization is not None
    assert model.quantization.bits == card.bits
    assert card.command.startswith("uv run trainer --dataset ")
    assert card.limits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("card", "stated"),
    [(card, stated) for card in KNOWN for stated in card.accuracy],
    ids=lambda value: value.name if isinstance(value, Card) else value.puzzles,
)
def test_fresh_puzzles_are_solved_as_often_as_the_card_says(
    card: Card, stated: Accuracy, tmp_path: Path, evaluator: Call
) -> None:
    """Within four standard errors of both figures."""
    family = get_family(card.task["task"])
    options = family.options(**{"train": 1, "test": FRESH, "seed": SEED, **stated.build})
    data = family.build(tmp_path / "data", options, lambda *_: None)
    code, out, err = evaluator("--model", card.name, "--data-path", data, "--json")
    assert code == 0, err
    p = min(max(stated.exact, 0.01), 0.99)
    error = math.sqrt(p * (1 - p) * (1 / FRESH + 1 / stated.count))
    assert json.loads(out)["exact_accuracy"] == pytest.approx(stated.exact, abs=4 * error)


@pytest.mark.parametrize("card", KNOWN, ids=lambda card: card.name)
def test_a_model_is_loaded_by_its_name(card: Card, tmp_path: Path) -> None:
    family = get_family(card.task["task"])
    options = family.options(**{"train": 1, "test": 1, "seed": SEED, **card.accuracy[0].build})
    solver = load(card.name)
    assert solver.task.name == get_task(card.task).name
    dataset = open_dataset(family.build(tmp_path / "data", options, lambda *_: None), "test")
    [puzzle_set] = dataset.sets.values()
    puzzle = solver.task.decode(puzzle_set.inputs[0])
    assert solver.solve(puzzle).steps >= 1


def test_the_list_names_every_model_with_its_figures(evaluator: Call) -> None:
    code, out, _ = evaluator("models")
    assert code == 0
    for card in cards().values():
        [line] = [line for line in out.splitlines() if line.startswith(card.name)]
        assert f"{card.accuracy[0].exact:.1%}" in line
    code, out, _ = evaluator("models", "--json")
    assert [Card.model_validate(item) for item in json.loads(out)] == list(cards().values())


def test_a_card_is_shown_whole(evaluator: Call) -> None:
    card = cards()["sudoku-9x9"]
    code, out, _ = evaluator("models", "sudoku-9x9")
    assert code == 0
    shown = " ".join(out.split())
    for fact in (card.command, card.commit, card.machine, card.licence, *card.limits):
        assert " ".join(fact.split()) in shown
    assert Card.model_validate_json(evaluator("models", "sudoku-9x9", "--json")[1]) == card


@pytest.mark.parametrize("words", [("models", "sodoku"), ("solve", "1234", "--model", "sodoku")])
def test_an_unknown_name_is_answered_with_all_names(words: tuple[str, ...], evaluator: Call) -> None:
    code, _, err = evaluator(*words)
    assert code == 2
    assert "sodoku" in err
    assert all(name in err for name in cards())
