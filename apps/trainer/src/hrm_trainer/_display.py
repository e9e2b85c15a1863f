"""Shows a training on a terminal, live, or as plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from shlex import quote

import mlx.core as mx
from hrm_data import Progress as BuildProgress
from hrm_data import progress_bar
from hrm_data.terminal import console_for, plain_lines
from hrm_model import HRM
from hrm_train import Callback, Report, checkpoints
from mlx.utils import tree_flatten
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from hrm_trainer._board import board
from hrm_trainer._data import Data
from hrm_trainer._held_out import Example
from hrm_trainer.settings._presets import get_preset, preset_names
from hrm_trainer.settings._settings import TrainerSettings

_BARS = "·▁▂▃▄▅▆▇█"  # from none to the most
_COLUMN = 26  # characters of a name and its value
_LONG = 86400.0  # seconds of a run that needs a warning


class Display(Callback):
    """Shows a run live on a terminal, and as plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or console_for()
        self.example: Example | None = None
        self._live: Live | None = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
        )
        self._left = f"compiling, {_patience()}"
        self._report: Report | None = None
        self._first = 0

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    @contextmanager
    def building(self) -> Iterator[BuildProgress]:
        """Show the progress of a dataset build inside the block."""
        with progress_bar(self.console) as progress:
            yield progress

    def introduce(self, settings: TrainerSettings, model: HRM, data: Data, run: Path, seconds: float) -> None:
        """Show device, preset, model and data, how long the run will take, and the flags that change it.

        Args:
            settings: The settings of the run.
            model: Its model.
            data: Its dataset.
            run: Its directory.
            seconds: How long the steps that are left will take here, as estimated.
        """
        preset = get_preset(settings.preset, settings.family, {})
        presets = " | ".join(preset_names(settings.family))
        size = sum(array.size for _, array in tree_flatten(model.parameters()))
        config = model.config
        table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2))
        halting = f"at most {config.halt_max_steps} steps"
        changed = settings.changed(data.train.metadata.examples_in_an_epoch)
        rows = {
            "device": _device(),
            "preset": f"{settings.preset}: {preset.summary}{_listed(changed)}",
            "model": f"{size:,} parameters, hidden {config.hidden_size}, {config.H_layers}+{config.L_layers} layers, "
            f"cycles {config.H_cycles}x{config.L_cycles}, {halting}, {config.forward_dtype}",
            "data": f"{data.train.examples:,} puzzles to train on, {data.test.examples:,} held out, {data.train.root}",
            "expect": f"{settings.train.steps:,} steps of {settings.train.global_batch_size} puzzles, {about(seconds)} "
            "on this device as it is now (a short measurement; without evaluations)",
            "run": str(run),
            "otherwise": f"--preset {presets}, --device, --train.steps, ...; see trainer --help",
        }
        for name, value in rows.items():
            table.add_row(Text(name, style="bold"), Text(plain_lines(value)))
        self.console.print(Panel(table, title="Hierarchical Reasoning Model", title_align="left"))
        if seconds >= _LONG:
            shorter = f"--train.steps {max(1, round(settings.train.steps * 3600 / seconds))} for one of an hour"
            other = "--preset small for a model that learns in minutes, or "
            self.say(
                f"This run takes {about(seconds)} on this device. Stop it with Ctrl-C, and choose "
                f"{'' if settings.preset == 'small' else other}{shorter}."
            )

    @contextmanager
    def progress(self, total: int) -> Iterator[None]:
        """Show live progress inside the block, on a terminal; its clock moves by itself."""
        self._bar = self._progress.add_task("train", total=total)
        if not self.console.is_terminal or self.console.is_dumb_terminal:
            yield
            return
        with Live(self, console=self.console, refresh_per_second=4) as self._live:
            yield

    def __rich__(self) -> RenderableType:
        """The live region: bar and clock, what is left, and the last report."""
        parts: list[RenderableType] = [self._progress, Text(self._left)]
        if self._report is not None:
            parts.append(_grid(_cells(self._report), self.console.width))
        return Group(*parts)

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
        self._progress.update(self._bar, completed=done)
        self._left, self._report = f"{left} left", report

    def evaluated(self, report: Report) -> None:
        """Show the scores on held-out puzzles, and one example."""
        count, step = int(report["count"]), int(report["step"])
        scores = (
            f"exact accuracy {report['exact_accuracy']:.2%}, accuracy {report['accuracy']:.2%}, halting accuracy "
            f"{report['q_halt_accuracy']:.2%}, mean steps {report['steps']:.2f}"
        )
        self.say(f"held out, step {step}, {count} puzzles: {scores if count else 'none has a known answer'}")
        if self.example is not None:
            self.console.print(board(self.example, self.console.width), soft_wrap=True)

    def stopping(self) -> None:
        """Show a stop request on a terminal."""
        if self._live is not None:
            self.console.show_cursor()  # the process may end before the live region does
        self._left = "stopping; again to stop at once"

    def conclude(self, run: Path, curves: Path, limit: int | None) -> None:
        """Show the files of the finished run, and commands that use them.

        Args:
            run: Its directory.
            curves: Its picture of curves.
            limit: How many held-out puzzles were scored; None for all.
        """
        weights, evaluator = checkpoints(run / "checkpoints")[-1], f"uv run evaluator --checkpoint {quote(str(run))}"
        lines = {
            "Finished.": f"{run} holds config.json, metrics.jsonl, checkpoints/ and {curves.name}.",
            "weights": f"{weights}/model.safetensors",
            "score it": evaluator if limit is None else f"{evaluator} --limit {limit}",
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


def _grid(cells: dict[str, str], width: int) -> RenderableType:
    """Names and values in as many columns as `width` characters hold, at most three."""
    columns = max(1, min(3, width // _COLUMN))
    table = Table.grid(padding=(0, 1))
    for _ in range(columns):
        table.add_column(style="dim", overflow="fold")
        table.add_column(justify="right", overflow="fold", min_width=9)
        table.add_column()
    pairs = list(cells.items())
    length = -(-len(pairs) // columns)
    for row in zip_longest(*(pairs[start : start + length] for start in range(0, len(pairs), length))):
        table.add_row(*(text for pair in row for text in (*(pair or ("", "")), "")))
    return table


def _histogram(counts: Sequence[int]) -> str:
    """Draw how many puzzles halted after 1, 2, ... steps, at most 16 columns of several steps each."""
    width = -(-len(counts) // 16)
    columns = [sum(counts[i : i + width]) for i in range(0, len(counts), width)]
    most = max(1, *columns)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in columns)


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


def about(seconds: float) -> str:
    """A duration as a person says it, such as `about 3 hours`."""
    units = ((86400, "day"), (3600, "hour"), (60, "minute"))
    unit, name = next(((unit, name) for unit, name in units if seconds >= 1.5 * unit), (60, "minute"))
    count = max(1, round(seconds / unit))
    if seconds < 45:
        return "less than a minute"
    return f"about {count:,} {name}{'s' if count > 1 else ''}"
