"""The metrics and checkpoints that a run writes while it trains."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from hrm_train._config import TrainConfig
from hrm_train._errors import HRMTrainError
from hrm_train._files import remove_leftovers
from hrm_train.checkpoint._checkpoint import Position, checkpoints, remove_old_checkpoints, set_aside_after
from hrm_train.checkpoint._load import load_checkpoint
from hrm_train.checkpoint._snapshot import Snapshot
from hrm_train.checkpoint._table_copy import TableCopy
from hrm_train.checkpoint._writer import BackgroundWriter
from hrm_train.run._callbacks import Report
from hrm_train.run._directory import RunDirectory
from hrm_train.step._step import TrainStep


class Records:
    """Metrics and checkpoints of a run. Only rank 0 writes; all ranks must make the same calls.

    Args:
        run: The run's directory; None on every rank but 0.
        step: The training step whose state is saved.
        config: How many checkpoints are kept.
        about: Other settings of the run, which checkpoints hold.
    """

    def __init__(
        self, run: RunDirectory | None, step: TrainStep, config: TrainConfig, about: Mapping[str, Any]
    ) -> None:
        self._settings = {**about, "train": config.model_dump(mode="json")}
        self._run, self._step, self._config, self._ranks = run, step, config, step.ranks
        self._writer = BackgroundWriter()
        self._table: TableCopy | None = None  # of the checkpoint that is being written
        self._saved = -1
        self._exit = ExitStack()

    def __enter__(self) -> "Records":
        locked: AbstractContextManager[None] = self._run.locked() if self._run else nullcontext()
        with ExitStack() as stack:
            stack.enter_context(locked)
            stack.enter_context(self._writer)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._table is not None and error is None:
            self._table.take_rest()
        elif self._table is not None:
            self._table.abandon()  # after an error the step's state is undefined
        self._exit.__exit__(kind, error, traceback)

    def start(self, position: int, resume: str | Path | None) -> Position:
        """Restore the state of a checkpoint, clean the directory, and give every rank the state of rank 0.

        Args:
            position: Batches taken from the data so far, for a run without checkpoint.
            resume: The checkpoint to continue from.

        Returns:
            How far the run has come.
        """
        start = Position(0, position)
        if self._run is not None:
            saved = checkpoints(self._run.checkpoint_directory)
            if resume is not None:
                start = load_checkpoint(resume, self._step)
            elif saved:
                raise HRMTrainError(f"{self._run.path}: has checkpoints already; resume from one, or start a new run")
            for directory in (self._run.path, self._run.checkpoint_directory):
                remove_leftovers(directory)
            set_aside_after(self._run.checkpoint_directory, start.step)
            self._run.forget_metrics_after(start.step)
        if self._ranks.size > 1:
            if self._run is None or resume is None:
                self._step.load_state(self._step.whole_state())
            start = Position(*json.loads(self._ranks.texts(json.dumps(start))[0]))
        self._saved = start.step
        return start

    def add(self, kind: str, values: Report) -> None:
        """Append a line to the metrics."""
        if self._run is not None:
            self._run.append_metrics({"kind": kind, **values})

    def was_evaluated(self, step: int) -> bool:
        """Return whether the metrics hold held-out scores of a step."""
        return self._ask_run(lambda run: run.was_evaluated(step))

    def is_best(self, step: int) -> bool:
        """Return whether the scores of a step are the best so far."""
        return self._ask_run(lambda run: run.best_step(self._config.keep_best) == step)

    def reached(self, accuracy: float, step: int) -> bool:
        """Return whether the training report of a step has at least this exact accuracy."""
        return self._ask_run(lambda run: run.reached(accuracy, step))

    def save(self, position: Position) -> None:
        """Start to write a checkpoint, unless this step has one; training continues meanwhile."""
        if self._saved == position.step:
            return
        self.refuse_divergence(position.step)
        self._ranks.check_same({"checksum of the weights": _checksum(self._step)})
        if self._run is None:
            mx.eval(self._step.whole_state())
        else:
            self.wait()
            snapshot = Snapshot(self._step, position, self._settings)
            self._table = snapshot.table
            self._writer.submit(partial(_write, snapshot, self._run, self._config))
        self._saved = position.step

    @property
    def directory(self) -> Path | None:
        """The run's directory; None on every rank but 0."""
        return None if self._run is None else self._run.path

    def rescue(self, position: Position) -> Callable[[], None]:
        """Return a function that saves the present state from any thread while no step is taken; all ranks call this.

        The function holds the state, and a second reference to the puzzle table: drop it before the next step.
        """
        if self._saved == position.step:
            return self._writer.wait
        run = self._run
        if run is None:
            mx.eval(self._step.whole_state())
            return self._writer.wait
        if self._table is not None:
            self._table.take_rest()
        snapshot = Snapshot(self._step, position, self._settings, still=True)

        def save() -> None:
            self._writer.wait()
            _write(snapshot, run, self._config)

        return save

    def advance(self) -> None:
        """Copy the next part of a large puzzle table for the current checkpoint; call it after each step.

        Raises:
            HRMTrainError: If a checkpoint could not be written.
        """
        if self._table is not None:
            self._table.take()
        self._writer.check()

    def wait(self) -> None:
        """Wait until the disk holds everything."""
        if self._table is not None:
            self._table.take_rest()
        self._writer.wait()

    def refuse_divergence(self, done: int) -> None:
        """Raise if a step was not finite, unless `on_nan` is `skip`.

        Raises:
            HRMTrainError: With the number of that step and the last good checkpoint.
        """
        since = self._step.skipped["since"].item()
        if not since or self._config.on_nan == "skip":
            return
        self.wait()
        raise HRMTrainError(
            f"step {done - since + 1}: loss or gradients are not finite; start again with a lower lr than "
            f"{self._config.lr}, or with on_nan skip, which leaves such steps out; "
            f"the last good checkpoint is {self._ranks.ask_lead(self._last_good)}"
        )

    def _last_good(self) -> str:
        kept = checkpoints(self._run.checkpoint_directory) if self._run else []
        return str(kept[-1]) if kept else "none yet"

    def _ask_run(self, question: Callable[[RunDirectory], bool]) -> bool:
        """Return rank 0's answer on every rank."""
        answer = self._run is not None and question(self._run)
        return self._ranks.texts("yes" if answer else "")[0] == "yes"


def _write(snapshot: Snapshot, run: RunDirectory, config: TrainConfig) -> None:
    """Write a checkpoint, and then remove old ones."""
    run.sync_metrics()
    snapshot.write(run.checkpoint_directory)
    remove_old_checkpoints(run.checkpoint_directory, config.keep_checkpoints, run.best_step(config.keep_best))


def _checksum(step: TrainStep) -> int:
    """Return a number that differs when the weights of ranks differ; 0 for a single rank."""
    if step.ranks.size == 1:
        return 0
    arrays = [array for _, array in tree_flatten(step.model.trainable_parameters())]
    return int(sum(array.view(mx.uint32).sum() for array in arrays).item())
