"""The command `evaluator playground`: writes a page in which a model thinks."""

import json
from pathlib import Path

from rich.console import Console

from hrm_evaluator._load import load
from hrm_evaluator._output import atomic_file, check_writable
from hrm_evaluator._settings import Playground
from hrm_evaluator._solver import Solver
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.playground._examples import Example, examples_of, new_examples
from hrm_evaluator.playground._page import Shown, playground


def write_playground(path: Path, settings: Playground) -> int:
    """Write the page and print what it holds; return the exit code.

    Raises:
        UserError: If the file exists without `overwrite`, or there is no such model, or it does not fit a page.
    """
    check_writable("FILE", path, overwrite=settings.overwrite)
    shown = [_shown(settings)]
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


def _shown(settings: Playground) -> Shown:
    """Load the model that the options name, with its puzzles."""
    solver = load(settings.checkpoint, runs=settings.runs, data_path=settings.data_path, task=settings.task)
    return Shown(solver.task.name, solver, _examples(solver, settings))


def _examples(solver: Solver, settings: Playground) -> list[Example]:
    """Take the puzzles from the dataset that is named, from the run's if it still exists, or make new ones."""
    given = settings.examples or settings.data_path
    if given is None:
        run_of = find_checkpoint(solver.path, settings.runs)
        data_path = run_of.setting("data_path", str)
        if data_path is None or not Path(data_path).is_dir():
            return new_examples(solver.task, settings.puzzles)
        given = Path(data_path)
    return examples_of(given, solver.task, solver.models[0].config.num_puzzle_identifiers, settings.puzzles)
