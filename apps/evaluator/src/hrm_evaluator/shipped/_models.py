"""The models that come along, by name."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from hrm_data.untrusted import quoted

from hrm_evaluator._errors import UserError
from hrm_evaluator.shipped._card import Card

_WEIGHTS = Path(str(files("hrm_evaluator.shipped") / "weights"))


@lru_cache
def cards() -> dict[str, Card]:
    """Return the card of each model, in the order of their names."""
    found = (Card.model_validate_json(path.read_text("utf-8")) for path in sorted(_WEIGHTS.glob("*.json")))
    return {card.name: card for card in found}


def is_shipped(path: Path) -> bool:
    """Whether a name, such as `sudoku-9x9`, is that of a model that comes along, and no path."""
    return path.as_posix() in cards() and not path.exists()


def comes_along(weights: Path) -> bool:
    """Whether a weight file is that of a model that comes along."""
    return weights.parent == _WEIGHTS


def card_of(name: str) -> Card:
    """Return the card of a model.

    Raises:
        UserError: If there is no such model.
    """
    if name not in cards():
        raise UserError(f"{quoted(name)} is no model that comes along; there are {', '.join(cards())}")
    return cards()[name]


def weights_of(name: str) -> Path:
    """Return the weight file of a model; raises as `card_of` does."""
    return _WEIGHTS / f"{card_of(name).name}.safetensors"
