"""A page that runs models in the browser, as one HTML file that needs no other; the templates are in `page/`."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hrm_data import Task
from hrm_model import HRM, model_size
from markupsafe import Markup

from hrm_evaluator._errors import UserError
from hrm_evaluator._templates import asset, render
from hrm_evaluator.playground._board import describe_board
from hrm_evaluator.playground._examples import Example
from hrm_evaluator.playground._weights import weight_file, with_eight_bits

MOST_BYTES = 3_000_000
"""Size of the largest page."""

_ENGINE = ("weights.js", "numbers.js", "mixers.js", "blocks.js", "model.js", "worker.js")
_SCRIPTS = ("text.js", "rules.js", "board.js", "thinker.js", "view.js")


class Shown(NamedTuple):
    """A model on the page.

    Attributes:
        name: What the page calls it.
        path: Its weight file, for messages.
        model: The model as its file stores it, perhaps with weights of 8 bits.
        task: The kind of puzzle.
        examples: The puzzles inside the page.
    """

    name: str
    path: Path
    model: HRM
    task: Task
    examples: Sequence[Example]


class Page(NamedTuple):
    """The page.

    Attributes:
        text: The HTML.
        rounded: Names of the models whose weights were written with 8 bits, because they did not fit otherwise.
    """

    text: str
    rounded: Sequence[str]


def playground(models: Sequence[Shown]) -> Page:
    """Return the page of one or more models.

    Raises:
        UserError: If a task cannot be drawn, or the page would be larger than `MOST_BYTES`.
    """
    described = [_describe(shown) for shown in models]
    weights = [_weights(shown, shown.model) for shown in models]
    rounded = []
    if len(_render(described, [])) + sum(map(len, weights)) > MOST_BYTES:
        for number, shown in enumerate(models):
            model = shown.model
            if model.quantization is None:
                weights[number] = _weights(shown, with_eight_bits(model))
                described[number] |= {"bits": 8, "rounded": True}
                rounded.append(shown.name)
    size = len(_render(described, [])) + sum(map(len, weights))
    if size > MOST_BYTES:
        raise UserError(
            f"{', '.join(str(shown.path) for shown in models)}: the page would have {size:,} bytes, but has "
            f"at most {MOST_BYTES:,}, even with weights of 8 bits; choose a smaller model or fewer --puzzles"
        )
    return Page(_render(described, weights), rounded)


def _weights(shown: Shown, model: HRM) -> str:
    return base64.b64encode(weight_file(model, _identifiers(shown))).decode()


def _identifiers(shown: Shown) -> list[int]:
    """Return the rows of the puzzle table that the page needs: the blank one, and those of the examples."""
    return sorted({0, *(example.identifier for example in shown.examples)})


def _describe(shown: Shown) -> dict[str, Any]:
    """Return what the page says of a model, its task and its puzzles."""
    model = shown.model
    row_of = {identifier: row for row, identifier in enumerate(_identifiers(shown))}
    return {
        "name": shown.name,
        "weights": model_size(model.config).dense,
        "bits": model.quantization.bits if model.quantization else 32,
        "rounded": False,
        "trainedIn": model.config.forward_dtype,
        "mostSteps": model.config.halt_max_steps,
        "board": describe_board(shown.task, [example.puzzle for example in shown.examples]),
        "examples": [
            {"puzzle": puzzle.tolist(), "solution": solution.tolist(), "row": row_of[identifier], "kept": kept}
            for puzzle, solution, identifier, kept in shown.examples
        ],
    }


def _render(described: Sequence[dict[str, Any]], weights: Sequence[str]) -> str:
    return render(
        "playground/page",
        "playground.html",
        title=f"Watch a model solve {' and '.join(sorted({one['board']['family'] for one in described}))}",
        data=described,
        weights=weights,
        style=asset("report/page/style.css") + asset("playground/page/playground.css"),
        engine=Markup("\n").join(asset(f"playground/page/engine/{name}") for name in _ENGINE),
        script=Markup("\n").join(asset(f"playground/page/{name}") for name in _SCRIPTS),
    )
