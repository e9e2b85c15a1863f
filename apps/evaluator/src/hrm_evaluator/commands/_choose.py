"""Chooses the model that answers: the one that is named, that of the newest run, or one that comes along and fits."""

import sys
from pathlib import Path

from hrm_data import get_task, task_names
from hrm_data.terminal import say

from hrm_evaluator._settings import Solve
from hrm_evaluator.loading._checkpoint import has_runs
from hrm_evaluator.puzzles._input import Input
from hrm_evaluator.shipped._models import cards, weights_of

_USUAL = "sudoku-9x9"


def choose_checkpoint(settings: Solve, puzzles: Input) -> str | Path | None:
    """Return what `load` should open; None for the newest run.

    A model that is named comes first, then a run of the user's own. Where there is neither, the first puzzle decides
    which of the models that come along answers: one that was trained on boards of its size, else one whose weights fit.
    If none knows such a puzzle, the one with boards of the nearest size is asked, to say what is wrong.
    """
    if settings.named or "runs" in settings.model_fields_set or has_runs(settings.runs):
        return settings.named
    own = {name: get_task(card.task) for name, card in cards().items() if card.task["task"] in task_names()}
    candidates = [*own.items(), *((name, other) for name, task in own.items() for other in task.other_sizes())]
    fitting = puzzles.first_of([task for _, task in candidates])
    name = next((name for name, task in candidates if task is fitting), None)
    if name is None:
        cells = puzzles.characters
        name = min(own, key=lambda name: abs(own[name].seq_len - cells)) if cells else _USUAL
    say(f"evaluator: {settings.runs} holds no run, so {name} answers, a model that comes along", file=sys.stderr)
    return weights_of(name)
