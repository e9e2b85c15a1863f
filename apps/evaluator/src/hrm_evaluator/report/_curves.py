"""Accuracy by ACT step and the histogram of halting steps as PNG."""

from pathlib import Path

from hrm_evaluator._output import atomic_file
from hrm_evaluator.scoring._score import Evaluation


def save_curves(path: Path, result: Evaluation) -> None:
    """Draw both charts side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, halting = figure.subplots(1, 2)
    steps = range(1, len(result.by_step) + 1)
    means = [tally.means() for tally in result.by_step]
    for name, style in (("exact_accuracy", "-"), ("accuracy", "--")):
        accuracy.plot(steps, [mean[name] for mean in means], style, marker="o", label=name.replace("_", " "))
    accuracy.set(xlabel="maximum ACT steps", ylim=(0, 1.02), title="Accuracy by step")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy.grid(alpha=0.3)
    accuracy.legend()
    halting.bar(steps, [result.halted[step] for step in steps])
    halting.set(xlabel="ACT steps", ylabel="puzzles", title="Steps at halting")
    for axes in (accuracy, halting):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with atomic_file(path) as file:
        figure.savefig(file, format="png")
