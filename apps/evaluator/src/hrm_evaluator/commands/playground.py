"""The command `evaluator playground`: writes a page in which models think."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from hrm_data import task_names
from hrm_model import load_model
from rich.console import Console

from hrm_evaluator._errors import UserError
from hrm_evaluator._load import load
from hrm_evaluator._output import atomic_file, check_writable
from hrm_evaluator._settings import Playground
from hrm_evaluator._solver import Solver
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.playground._examples import Example, examples_of, new_examples
from hrm_evaluator.playground._page import Shown, playground
from hrm_evaluator.shipped._models import cards, is_shipped, weights_of


def write_playground(path: Path, settings: Playground) -> int:
    """Write the page and print what it holds; return the exit code.

    Raises:
        UserError: If the file exists without `overwrite`, there is no such model, or it does not fit a page.
    """
    check_writable("FILE", path, overwrite=settings.overwrite)
    is_one = settings.named is not None or settings.model_fields_set & {"runs", "data_path", "task", "examples"}
    shown = [_one(settings)] if is_one else list(_all_that_come_along(settings))
    page = playground(shown)
    content = page.text.encode()
    with atomic_file(path) as file:
        file.write(content)
    names = [one.name for one in shown]
    if settings.as_json:
        print(json.dumps({"output": str(path), "bytes": len(content), "models": names, "rounded": page.rounded}))
        return 0
    console = Console(highlight=False)
    console.print(f"{path}  {len(content):,} bytes, {', '.join(names)}", soft_wrap=True)
    for name in page.rounded:
        console.print(f"The weights of {name} were rounded to 8 bits, so that they fit into the page.", soft_wrap=True)
    return 0


def _one(settings: Playground) -> Shown:
    """Load the model that the options name, or that of the newest run, with its puzzles."""
    solver = load(settings.named, runs=settings.runs, data_path=settings.data_path, task=settings.task)
    named = settings.checkpoint or ""
    own = settings.model or (named if is_shipped(Path(named)) else "")
    stored = load_model(weights_of(own)) if own else solver.models[0]
    return Shown(own or solver.task.name, solver, _examples(solver, own, settings), stored)


def _all_that_come_along(settings: Playground) -> Iterator[Shown]:
    """Load the models that come along and whose tasks are installed."""
    if not cards():
        raise UserError("no model comes along; name one of your own with --checkpoint")
    for name, card in cards().items():
        if card.task["task"] in task_names():
            solver = load(weights_of(name))
            yield Shown(name, solver, _examples(solver, name, settings), load_model(weights_of(name)))
        else:
            print(f"evaluator: {name} is left out: it needs the package {card.package}", file=sys.stderr)


def _examples(solver: Solver, name: str, settings: Playground) -> list[Example]:
    """Return puzzles: of the dataset that is named, of the run's if it still exists, or new ones.

    Args:
        solver: The model.
        name: Its name if it comes along, else empty. New puzzles are then of the kinds that its card tells of.
        settings: The options.
    """
    given = settings.examples or settings.data_path
    if given is None:
        named = find_checkpoint(solver.path, settings.runs).setting("data_path", str)
        given = Path(named) if named is not None and Path(named).is_dir() else None
    if given is not None:
        return examples_of(given, solver.task, solver.models[0].config.num_puzzle_identifiers, settings.puzzles)
    kinds = [accuracy.build for accuracy in cards()[name].accuracy] if name else [{}]
    return new_examples(solver.task, kinds, settings.puzzles)
