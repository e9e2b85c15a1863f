"""Draws the curves of a run as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hrm_train import HRMTrainError, RunDirectory, replacement

CURVES = "curves.png"


class _Panel(NamedTuple):
    """One diagram: its title, and the fields of training reports and of evaluations that it shows."""

    title: str
    train: Mapping[str, str]
    evaluation: Mapping[str, str]
    log: bool = False


_PANELS = (
    _Panel("loss", {"lm_loss": "prediction", "q_halt_loss": "halting", "q_continue_loss": "continuing"}, {}, log=True),
    _Panel(
        "accuracy",
        {"exact_accuracy": "exact, training", "accuracy": "cells, training"},
        {"exact_accuracy": "exact, held out", "accuracy": "cells, held out"},
    ),
    _Panel("ACT steps until halting", {"steps": "training"}, {"steps": "held out"}),
    _Panel("puzzles per second", {"puzzles_per_second": "training"}, {}),
)


def draw_curves(run: RunDirectory) -> Path:
    """Draw loss, accuracy, halting and throughput over the steps of a run; return the picture's path.

    Raises:
        HRMTrainError: The run has no metrics yet, or the picture cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and needed at the end only

    lines = run.read_metrics()
    if not lines:
        raise HRMTrainError(f"{run.path}: has no metrics yet; they come with the first report")
    figure = Figure(figsize=(11, 7))
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.08, top=0.9, wspace=0.16, hspace=0.3)
    figure.suptitle(run.path.name)
    for panel, axes in zip(_PANELS, figure.subplots(2, 2).flat, strict=True):
        for kind, style, fields in (("train", "-", panel.train), ("eval", "o--", panel.evaluation)):
            for field, label in fields.items():
                steps, values = _series(lines, kind, field)
                if steps:
                    axes.plot(steps, values, style, markersize=4, label=label)
        axes.set(title=panel.title, xlabel="step")
        if panel.log and axes.lines:
            axes.set_yscale("log")
        if axes.lines:
            axes.legend()
        axes.grid(alpha=0.3)
    path = run.path / CURVES
    try:
        with replacement(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120)
    except OSError as error:
        raise HRMTrainError(
            f"{path}: cannot be written ({error.strerror}); make room or make {run.path} writable, or copy the run "
            "elsewhere and plot the copy"
        ) from error
    return path


def _series(lines: Sequence[Mapping[str, Any]], kind: str, field: str) -> tuple[list[int], list[float]]:
    """Steps and values of one field; reports without it are left out."""
    pairs = [(m["step"], m[field]) for m in lines if m["kind"] == kind and m.get(field) is not None]
    return [step for step, _ in pairs], [value for _, value in pairs]
