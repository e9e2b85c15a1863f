"""The training loop: take a step, then report, evaluate and save when these are due."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import mlx.core as mx
from hrm_model import HRM
from hrm_ops import compilers_spared, lane_threads

from hrm_train._config import TrainConfig
from hrm_train._errors import InterruptedRunError
from hrm_train.checkpoint._checkpoint import Position, checkpoints
from hrm_train.ranks._ranks import Ranks
from hrm_train.ranks._watchdog import Watchdog
from hrm_train.run._agreement import StopAgreement
from hrm_train.run._batches import BatchSource, as_arrays
from hrm_train.run._callbacks import Callback, CallbackGroup, Report
from hrm_train.run._directory import RunDirectory
from hrm_train.run._memory import memory_limits
from hrm_train.run._meter import Meter
from hrm_train.run._records import Records
from hrm_train.run._report import new_meter, read_report
from hrm_train.run._stop import StopNow, stop_requests
from hrm_train.step._losses import LossFunction
from hrm_train.step._step import TrainStep, make_train_step

FAILURE, INTERRUPTED = 1, 130  # exit codes


def train(
    model: HRM,
    config: TrainConfig,
    batches: BatchSource,
    evaluate: Callable[[HRM], Report],
    run: RunDirectory | None,
    callbacks: Sequence[Callback] = (),
    resume: str | Path | None = None,
    ranks: Ranks | None = None,
    about: Mapping[str, Any] | None = None,
    loss: LossFunction | None = None,
) -> None:
    """Train a model to the end of its run, with reports, evaluations and checkpoints on the way.

    Args:
        model: The model, trained in place.
        config: The training settings.
        batches: The training data; each rank gets its share of every batch.
        evaluate: Scores the model on held-out puzzles; must return the same on every rank.
        run: Directory for metrics and checkpoints; None on every rank but 0.
        callbacks: Told about reports, evaluations, and the start and end of the run.
        resume: Checkpoint of the run to continue from, such as `run.newest_checkpoint()`; only rank 0 reads it.
        ranks: The processes that train together; defaults to this one alone.
        about: Other settings of the run, as JSON values by name, which checkpoints hold for `saved_settings`.
        loss: What is minimised; defaults to `act_loss` with the configuration's `loss_type`.

    Raises:
        InterruptedRunError: After SIGINT, SIGTERM or SIGHUP, once a checkpoint is written. If MLX is still busy with an
            evaluation or the first step two seconds after the signal, the process saves and ends itself with exit code
            130.
        KeyboardInterrupt: At a second signal, more than 1.5 s after the first.
        RunInUseError: If another process trains in this run.
        HRMTrainError: If loss or gradients are not finite and `config.on_nan` is `stop`, if the checkpoint cannot be
            used, if a file cannot be written, or if the batch cannot be divided.
    """
    ranks, listeners = ranks or Ranks(), CallbackGroup(callbacks)
    mx.random.seed(config.seed + 1)  # the weights took the seed itself
    step = make_train_step(model, config, ranks, loss)
    meter = new_meter(model.config, config.global_batch_size, ranks)
    where = ranks.ask_lead(lambda: str(run.checkpoint_directory.absolute()) if run else "")

    def last_checkpoint() -> str:
        kept = checkpoints(where) if where else []
        return str(kept[-1]) if kept else f"none in {where}" if where else "none, the run has no directory"

    with (
        stop_requests(listeners.stopping) as request,
        compilers_spared(),
        memory_limits(config),
        lane_threads(step.lane_slots),
        Records(run, step, config, about or {}) as records,
        Watchdog(config.rank_timeout, ranks, last_checkpoint) as watchdog,
    ):
        position = records.start(batches.position, resume)
        batches.position = position.batches
        loop = _Loop(
            step,
            config,
            batches,
            evaluate,
            records,
            listeners,
            StopAgreement(request, ranks),
            meter,
            watchdog,
            done=position.step,
            begun=position.step,
            ended_early=config.early_stop_accuracy > 0 and records.reached(config.early_stop_accuracy, position.step),
        )
        try:
            is_done = loop.run()
        except RuntimeError as error:
            if not request.is_set:
                raise
            # Such as a compiler or another rank that the same signal has ended: the state of the step is lost.
            at = f" in {run.path}" if run else ""
            lost = "what came after the last checkpoint will be done again"
            raise InterruptedRunError(f"stopped at once{at}; {lost}") from error
        if not is_done:
            raise InterruptedRunError(loop.stopped())


@dataclass
class _Loop:
    """A run in progress.

    Attributes:
        done: Steps done.
        begun: Steps that earlier processes have done.
        ended_early: Whether the run has reached `early_stop_accuracy`.
    """

    step: TrainStep
    config: TrainConfig
    batches: BatchSource
    evaluate: Callable[[HRM], Report]
    records: Records
    callbacks: CallbackGroup
    stop: StopAgreement
    meter: Meter
    watchdog: Watchdog
    done: int
    begun: int
    ended_early: bool

    def run(self) -> bool:
        """Take steps until the run is over; return False if a stop request ended it before, with all saved."""
        self.meter.start(self.done)
        try:
            self.callbacks.started(self.done)
            # An evaluation that a stop has interrupted comes first.
            scored = not self._is_due(self.config.eval_interval) or self.records.was_evaluated(self.done)
            goes_on = self._evaluate_and_save() if not scored else not self.stop.is_set or self._is_over
            while goes_on and not self._is_over:
                self._take_step()
                if self._is_due(self.config.log_interval):
                    self._report()
                goes_on = self._evaluate_and_save()
            return goes_on
        finally:
            self.callbacks.ended()

    def stopped(self) -> str:
        """Return a sentence about a run that was stopped here."""
        where = self.records.directory
        saved = "" if where is None else f"; saved in {where}" if self.done else f"; {where} starts again at step 0"
        return f"stopped after step {self.done} of {self.config.steps}{saved}"

    def _end_at_once(self, save: Callable[[], None], note: str = "") -> NoReturn:
        """Save from another thread and end the process: the main thread waits in MLX, which nothing can interrupt."""
        code = INTERRUPTED
        try:
            save()
            said = self.stopped() + note
        except BaseException as error:  # the process ends whatever it was
            code, said = FAILURE, str(error)
        print(said, file=sys.stderr, flush=True)
        os._exit(code)

    @property
    def _is_over(self) -> bool:
        return self.ended_early or self.done >= self.config.steps

    def _is_due(self, interval: int) -> bool:
        return self._is_over or (self.done > 0 and self.done % interval == 0)

    def _take_step(self) -> None:
        with self.meter.waiting():
            batch = as_arrays(next(self.batches))
        with self._may_end_at_once():
            self.step(batch, max_steps=self._most_act_steps())
        self.done += 1
        self.records.advance()
        self.watchdog.beat()
        self.stop.exchange()

    @contextmanager
    def _may_end_at_once(self) -> Iterator[None]:
        """Let a stop request end the first step, which compiles for long: everything before it is saved."""
        if self.done > self.begun:
            yield
        else:
            save = self.records.rescue(Position(self.done, self.batches.position - 1))
            with self.stop.acts_at_once(partial(self._end_at_once, save), raises=False):
                yield

    def _most_act_steps(self) -> int:
        """Return after how many steps a puzzle halts now, whatever it has learned."""
        most = self.step.model.config.halt_max_steps
        return 1 if self.done < self.config.halt_warmup_steps else min(self.config.act_steps or most, most)

    def _report(self) -> None:
        values = read_report(self.step, self.done, self.meter)
        self.records.add("train", values)
        self.callbacks.reported(values)
        self.records.refuse_divergence(self.done)
        self.step.reset_metrics()
        self.ended_early = 0 < self.config.early_stop_accuracy <= values["exact_accuracy"]

    def _evaluate_and_save(self) -> bool:
        """Evaluate and save if due; return False if the run stops here with work left, which is then saved."""
        evaluated = not self._is_due(self.config.eval_interval) or self._evaluate()
        if self._is_due(self.config.checkpoint_interval):
            self._save()
        if not self.stop.is_set or (evaluated and self._is_over):
            return True
        self._save()
        self.records.wait()
        return False

    def _evaluate(self) -> bool:
        """Score the model, and save it if it is the best so far; return False if a stop request prevents it."""
        if self.stop.is_set:
            return False
        save = self.records.rescue(Position(self.done, self.batches.position))
        try:
            end = partial(self._end_at_once, save, "; resuming repeats the evaluation")
            with self.meter.paused(), self.step.averaged(), self.stop.acts_at_once(end):
                values = {"step": self.done, **self.evaluate(self.step.model)}
        except StopNow:
            return False
        self.records.add("eval", values)
        self.callbacks.evaluated(values)
        if self.records.is_best(self.done):
            self._save()
        return True

    def _save(self) -> None:
        with self.meter.paused():
            self.records.save(Position(self.done, self.batches.position))
