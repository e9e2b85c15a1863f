"""Shows a training on a terminal, live, or as plain lines elsewhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import mlx.core as mx
import numpy as np
from hrm_data import IGNORE, Picture, Task, kept_cells, progress_bar
from hrm_data import Progress as BuildProgress
from hrm_data.terminal import console_for, plain_lines
from hrm_model import HRM
from hrm_train import Callback, Report, checkpoints
from mlx.utils import tree_flatten
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from hrm_trainer._data import Data
from hrm_trainer._presets import get_preset, preset_names
from hrm_trainer._settings import TrainerSettings


class Example(NamedTuple):
    """A puzzle with answer and solution, all tokens `[L]`; the solution is -100 where nothing is asked for."""

    task: Task
    puzzle: np.ndarray
    answer: np.ndarray
    solution: np.ndarray


_BARS = "·▁▂▃▄▅▆▇█"  # from none to the most


class Display(Callback):
    """Shows a run live on a terminal, and as plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or console_for()
        self.example: Example | None = None
        self._live: Live | None = None
        self._progress = Progress(
            TextColumn("training"), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
        )
        self._first = 0

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    @contextmanager
    def building(self) -> Iterator[BuildProgress]:
        """Show the progress of a dataset build inside the block."""
        with progress_bar(self.console) as progress:
            yield progress

    def introduce(self, settings: TrainerSettings, model: HRM, data: Data, run: Path) -> None:
        """Show device, preset, model and data, and the flags that change them."""
        preset = get_preset(settings.preset, settings.family, {})
        presets = " | ".join(preset_names(settings.family))
        size = sum(array.size for _, array in tree_flatten(model.parameters()))
        config = model.config
        table = Table.grid(padding=(0, 2))
        halting = f"at most {config.halt_max_steps} steps"
        length = f"{settings.train.steps:,} steps of {settings.train.global_batch_size} puzzles"
        changed, duration = settings.changed(data.train.metadata.examples_in_an_epoch), preset.duration
        if duration == "not measured":
            duration = "how long that takes was not measured"
        elif changed:
            duration = f"unchanged, the preset takes {duration}"
        rows = {
            "device": _device(),
            "preset": f"{settings.preset}: {preset.summary}{_listed(changed)}",
            "model": f"{size:,} parameters, hidden {config.hidden_size}, {config.H_layers}+{config.L_layers} layers, "
            f"cycles {config.H_cycles}x{config.L_cycles}, {halting}, {config.forward_dtype}",
            "data": f"{data.train.examples:,} puzzles to train on, {data.test.examples:,} held out, {data.train.root}",
            "expect": f"{length}; {duration}",
            "run": str(run),
            "otherwise": f"--preset {presets}, --device, --train.steps, ...; see trainer --help",
        }
        for name, value in rows.items():
            table.add_row(Text(name, style="bold"), Text(plain_lines(value)))
        self.console.print(Panel(table, title="Hierarchical Reasoning Model", title_align="left"))

    @contextmanager
    def progress(self, total: int) -> Iterator[None]:
        """Show live progress inside the block, on a terminal."""
        self._bar = self._progress.add_task("train", total=total, left=f"compiling, {_patience()}")
        if not self.console.is_terminal or self.console.is_dumb_terminal:
            yield
            return
        with Live(self._progress, console=self.console, refresh_per_second=4) as self._live:
            yield

    def started(self, step: int) -> None:
        """Note the step at which training starts."""
        self._first = step
        self._progress.update(self._bar, completed=step)
        if self._live is None:
            self.say(f"Compiling and training; the first step can take {_patience()} ...")
        self._since = time.perf_counter()

    def reported(self, report: Report) -> None:
        """Show the metrics since the last report."""
        done, total = int(report["step"]), int(self._progress.tasks[0].total or 0)
        per_step = (time.perf_counter() - self._since) / max(1, done - self._first)
        left = _duration(per_step * (total - done))
        if report["skipped"]:
            self.say(
                f"step {done}: {report['skipped']} steps since the last report were not finite and changed nothing"
            )
        if self._live is None:
            cells = "  ".join(f"{name} {value}" for name, value in _cells(report).items())
            self.say(f"step {done}/{total}  {cells}  left {left}")
            return
        self._progress.update(self._bar, completed=done, left=f"{left} left")
        self._live.update(Group(self._progress, _grid(_cells(report))))

    def evaluated(self, report: Report) -> None:
        """Show the scores on held-out puzzles, and one example."""
        scores = (
            f"exact accuracy {report['exact_accuracy']:.1%}, accuracy {report['accuracy']:.1%}, "
            f"halting accuracy {report['q_halt_accuracy']:.1%}"
        )
        count = int(report["count"])
        self.say(
            f"held out, step {int(report['step'])}, {count} puzzles: {scores if count else 'none has a known answer'}"
        )
        if self.example is not None:
            self.console.print(_board(self.example), soft_wrap=True)

    def stopping(self) -> None:
        """Show a stop request on a terminal."""
        if self._live is not None:
            self.console.show_cursor()  # the process may end before the live region does
        self._progress.update(self._bar, left="stopping; again to stop at once")

    def conclude(self, run: Path, curves: Path) -> None:
        """Show the files of the finished run, and commands that use them."""
        weights, evaluator = checkpoints(run / "checkpoints")[-1], f"uv run evaluator --checkpoint {quote(str(run))}"
        lines = {
            "Finished.": f"{run} holds config.json, metrics.jsonl, checkpoints/ and {curves.name}.",
            "weights": f"{weights}/model.safetensors",
            "score it": evaluator,
            "watch it think": f"{evaluator} --report report",
        }
        if self.example is not None:  # else nothing says what the puzzles are
            lines["solve yours"] = f"uv run evaluator solve --checkpoint {quote(str(run))} PUZZLE"
        for name, value in lines.items():
            self.console.print(Text.assemble((f"{name:<16}", "bold"), plain_lines(value)), soft_wrap=True)


def _cells(report: Report) -> dict[str, str]:
    return {
        "steps/s": f"{report['steps_per_second']:.2f}",
        "puzzles/s": f"{report['puzzles_per_second']:.0f}",
        "loss": f"{report['lm_loss']:.4f}",
        "q loss": f"{report['q_halt_loss']:.3f}",
        "accuracy": f"{report['accuracy']:.1%}",
        "exact accuracy": f"{report['exact_accuracy']:.1%}",
        "halting steps": f"{report['steps']:.2f}",
        "learning rate": f"{report['lr']:.2e}",
        "memory": f"{report['memory_gib']:.2f} GiB",
        "data wait": f"{report['data_wait']:.1%}",
        "utilisation": f"{report['model_flops_utilisation']:.1%}",
        "halted at": _histogram(report["halting_steps"]),
    }


def _grid(cells: dict[str, str]) -> RenderableType:
    """Names and values in three columns; they fit 80 characters."""
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=9)
        table.add_column()
    pairs = list(cells.items())
    for row in zip(pairs[:4], pairs[4:8], pairs[8:], strict=True):
        table.add_row(*(text for name, value in row for text in (name, value, "")))
    return table


def _histogram(counts: Sequence[int]) -> str:
    """Draw how many puzzles halted after 1, 2, ... steps, at most 16 columns of several steps each."""
    width = -(-len(counts) // 16)
    columns = [sum(counts[i : i + width]) for i in range(0, len(counts), width)]
    most = max(1, *columns)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in columns)


def _board(example: Example) -> RenderableType:
    """The puzzle and the answer side by side; wrong cells are red and marked with `!`."""
    task, kept = example.task, kept_cells(example.task, example.puzzle, example.solution)
    answer = np.where(kept, example.puzzle, example.answer)
    wrong = (example.solution != IGNORE) & (answer != example.solution)
    styles = np.where(wrong, "bold red", np.where(answer == example.puzzle, "bold", "green"))
    table = Table(box=None, padding=(0, 4, 0, 0), pad_edge=False, show_header=False)
    table.add_row(
        _drawn(task.render(task.decode(example.puzzle)), {}, {}),
        _drawn(
            task.render(task.decode(answer)),
            dict(enumerate(styles.tolist())),
            {int(at): "!" for at in np.flatnonzero(wrong)},
        ),
    )
    known = (example.solution != IGNORE).any()
    verdict = f"{int(wrong.sum())} cells wrong (!)" if known else "the right answer is not known"
    return Group(table, f"puzzle and prediction, {verdict}")


def _drawn(picture: Picture, styles: Mapping[int, str], notes: Mapping[int, str]) -> Text:
    lines = [
        Text.assemble(*((plain_lines(piece), style or "dim") for piece, style in line))
        for line in picture.segments(styles, notes)
    ]
    return Text("\n", no_wrap=True).join(lines)


def _listed(changed: list[str], most: int = 4) -> str:
    if not changed:
        return ""
    rest = f" and {len(changed) - most} more" if len(changed) > most else ""
    return f" Changed: {', '.join(changed[:most])}{rest}."


def _device() -> str:
    info = mx.device_info()
    kind = "GPU" if mx.default_device().type == mx.DeviceType.gpu else "CPU"
    return f"{kind}, {info.get('device_name', info.get('architecture', 'unknown'))}"


def _patience() -> str:
    """The time that compiling the first step may take."""
    on_cuda = mx.cuda.is_available() and mx.default_device().type == mx.DeviceType.gpu
    return "some minutes, the first time on this machine" if on_cuda else "up to a minute"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
