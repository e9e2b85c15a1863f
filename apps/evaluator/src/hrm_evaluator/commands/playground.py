"""The command `evaluator playground`: writes a page in which models think."""

import sys
from collections.abc import Iterator
from pathlib import Path

from hrm_data import Task, task_names
from hrm_data.terminal import console_for
from hrm_model import HRM

from hrm_evaluator._errors import UserError
from hrm_evaluator._output import atomic_file, check_writable, to_json
from hrm_evaluator._settings import Playground
from hrm_evaluator.loading._checkpoint import Checkpoint, find_checkpoint
from hrm_evaluator.loading._dataset import require_task
from hrm_evaluator.loading._model import load_one
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
        print(to_json({"output": str(path), "bytes": len(content), "models": names, "rounded": page.rounded}))
        return 0
    console = console_for()
    console.print(f"{path}  {len(content):,} bytes, {', '.join(names)}", soft_wrap=True)
    for name in page.rounded:
        console.print(f"The weights of {name} were rounded to 8 bits, so that they fit into the page.", soft_wrap=True)
    return 0


def _one(settings: Playground) -> Shown:
    """Load the model that the options name, or that of the newest run, with its puzzles."""
    named = settings.checkpoint or ""
    return _shown(settings.model or (named if is_shipped(Path(named)) else ""), settings.named, settings)


def _all_that_come_along(settings: Playground) -> Iterator[Shown]:
    """Load the models that come along and whose tasks are installed."""
    if not cards():
        raise UserError("no model comes along; name one of your own with --checkpoint")
    for name, card in cards().items():
        if card.task["task"] in task_names():
            yield _shown(name, weights_of(name), settings)
        else:
            print(f"evaluator: {name} is left out: it needs the package {card.package}", file=sys.stderr)


def _shown(name: str, path: str | Path | None, settings: Playground) -> Shown:
    """Load a model and its puzzles.

    Args:
        name: The model's if it comes along, else empty: the page then calls it by its task.
        path: What `find_checkpoint` finds.
        settings: The options.
    """
    checkpoint = find_checkpoint(path, settings.runs)
    model = load_one(checkpoint, settings.data_path, settings.task)
    task = require_task(checkpoint, model, settings.data_path, settings.task)
    examples = _examples(checkpoint, model, task, name, settings)
    return Shown(name or task.name, checkpoint.weights, model, task, examples)


def _examples(checkpoint: Checkpoint, model: HRM, task: Task, name: str, settings: Playground) -> list[Example]:
    """Return puzzles: of the dataset that is named, of the run's if it still exists, or new ones.

    New puzzles for a model that comes along are of the kinds that its card tells of.
    """
    given = settings.examples or settings.data_path
    if given is None:
        named = checkpoint.setting("data_path", str)
        given = Path(named) if named is not None and Path(named).is_dir() else None
    if given is not None:
        return examples_of(given, task, model.config.num_puzzle_identifiers, settings.puzzles)
    kinds = [accuracy.build for accuracy in cards()[name].accuracy] if name else [{}]
    return new_examples(task, kinds, settings.puzzles)
