import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
from hrm_model import HRM, Batch
from hrm_ops import lane_threads
from mlx.utils import tree_map

from hrm_train._checkpoint import (
    Progress,
    Snapshot,
    checkpoints,
    load_checkpoint,
    remove_old_checkpoints,
    set_aside_after,
)
from hrm_train._config import TrainConfig
from hrm_train._errors import HRMTrainError
from hrm_train._files import remove_leftovers
from hrm_train._optimizers import AdamAtan2, SparseSignSGD
from hrm_train._run import RunDirectory
from hrm_train._schedule import cosine_with_warmup
from hrm_train._step import TrainStep
from hrm_train._stop import StopNow, stop_requests
from hrm_train._writer import BackgroundWriter

Report = Mapping[str, Any]
"""Numbers by name, and ``halting_steps``: how many puzzles took 1, 2, ... ACT steps."""

# The next step copies a table that is still being written; a larger one is rather waited for.
_COPIED_TABLE = 64 * 2**20


class BatchSource(Protocol):
    """An endless iterator of batches ``{inputs, labels, puzzle_identifiers}`` of int32 that can go on anywhere.

    ``position`` is the number of batches given out; setting it makes the next batch the one at that position.
    """

    position: int

    def __next__(self) -> Mapping[str, np.ndarray]:
        """Return the batch at ``position`` and advance it."""
        ...


class Callback(Protocol):
    """Something that watches a run."""

    def started(self, step: int) -> None:
        """The first step is about to be taken, after ``step`` steps of an earlier process."""
        ...

    def reported(self, report: Report) -> None:
        """Metrics since the last report."""
        ...

    def evaluated(self, report: Report) -> None:
        """Scores on held-out puzzles."""
        ...


class InterruptedRunError(HRMTrainError):
    """Training was asked to stop; what it had is in a checkpoint."""


def train(
    model: HRM,
    config: TrainConfig,
    batches: BatchSource,
    evaluate: Callable[[HRM], Report],
    run: RunDirectory,
    callbacks: Sequence[Callback] = (),
    resume: Path | None = None,
) -> None:
    """Train a model to the end of its run, with reports, evaluations and checkpoints on the way.

    Args:
        model: The model, trained in place.
        config: How it is trained.
        batches: The training data.
        evaluate: Scores the model on held-out puzzles.
        run: Where metrics and checkpoints go.
        callbacks: Told about progress.
        resume: Checkpoint of the run to go on from, such as ``run.newest_checkpoint()``.

    Raises:
        InterruptedRunError: On SIGINT or SIGTERM, after a checkpoint was written.
        RunInUseError: If another process trains in this run.
        HRMTrainError: If loss or gradients are not finite and ``config.on_nan`` is ``stop``, the checkpoint
            cannot be used, or something cannot be written.
    """
    mx.random.seed(config.seed + 1)  # the weights took the seed itself
    step = make_train_step(model, config)
    done = saved = 0

    def due(interval: int) -> bool:
        return done == config.steps or (done > 0 and done % interval == 0)

    def report() -> None:
        metrics = _report(step, config, done, clock)
        run.append_metrics({"kind": "train", **metrics})
        for callback in callbacks:
            callback.reported(metrics)
        refuse_divergence()
        step.reset_metrics()

    def score() -> bool:
        try:
            with clock.paused(), stop.acts_at_once():
                scores = {"step": done, **evaluate(model)}
        except StopNow:
            return False
        run.append_metrics({"kind": "eval", **scores})
        for callback in callbacks:
            callback.evaluated(scores)
        return True

    def refuse_divergence() -> None:
        since = step.skipped["since"].item()
        if since and config.on_nan == "stop":
            writer.wait()
            kept = checkpoints(run.checkpoint_directory)
            raise HRMTrainError(
                f"step {done - since + 1}: loss or gradients are not finite; start again with a lower lr than "
                f"{config.lr}, or with on_nan skip, which leaves such steps out; "
                f"the last good checkpoint is {kept[-1] if kept else 'none yet'}"
            )

    def save() -> None:
        nonlocal saved
        if saved == done:
            return
        refuse_divergence()
        with clock.paused():
            writer.wait()
            snapshot = Snapshot(step, Progress(done, batches.position))
            writer.submit(partial(_write, snapshot, run, config))
            if model.config.puzzle_emb_ndim and model.puzzle_emb.weight.nbytes > _COPIED_TABLE:
                snapshot.weights_written.wait()
        saved = done

    with run.locked(), stop_requests() as stop, lane_threads(config.global_batch_size), BackgroundWriter() as writer:
        done, batches.position = _start(run, step, batches.position, resume)
        saved, clock = done, _Clock(done)
        for callback in callbacks:
            callback.started(done)
        unscored = due(config.eval_interval) and not run.was_evaluated(done)
        while done < config.steps or unscored:
            if done < config.steps and not unscored:
                step(as_arrays(next(batches)), max_steps=1 if done < config.halt_warmup_steps else None)
                done += 1
                writer.check()
                if due(config.log_interval):
                    report()
                unscored = due(config.eval_interval)
            if unscored and not stop.is_set:
                unscored = not score()
                if not unscored and run.best_step(config.keep_best) == done:
                    save()
            if due(config.checkpoint_interval):
                save()
            if stop.is_set and (unscored or done < config.steps):
                save()
                writer.wait()
                raise InterruptedRunError(f"stopped after step {done} of {config.steps}; saved in {run.path}")


def _start(run: RunDirectory, step: TrainStep, position: int, resume: Path | None) -> Progress:
    """Put everything into the state from which the run goes on."""
    if resume is None:
        progress = Progress(0, position)
        if checkpoints(run.checkpoint_directory):
            raise HRMTrainError(f"{run.path}: has checkpoints already; resume from one, or start a new run")
    else:
        progress = load_checkpoint(resume, step)
    for directory in (run.path, run.checkpoint_directory):
        remove_leftovers(directory)
    set_aside_after(run.checkpoint_directory, progress.step)
    run.forget_metrics_after(progress.step)
    return progress


def _write(snapshot: Snapshot, run: RunDirectory, config: TrainConfig) -> None:
    """Write a checkpoint, and only then remove old ones."""
    run.sync_metrics()
    snapshot.write(run.checkpoint_directory)
    remove_old_checkpoints(run.checkpoint_directory, config.keep_checkpoints, run.best_step(config.keep_best))


def make_train_step(model: HRM, config: TrainConfig) -> TrainStep:
    """Join a model to the optimisers and schedules of a configuration."""

    def schedule(peak: float) -> Callable[[mx.array], mx.array]:
        return cosine_with_warmup(peak, config.lr_warmup_steps, config.steps, config.lr_min_ratio)

    return TrainStep(
        model,
        AdamAtan2(schedule(config.lr), (config.beta1, config.beta2), config.weight_decay),
        SparseSignSGD(schedule(config.puzzle_emb_lr), config.puzzle_emb_weight_decay),
        config.global_batch_size,
        config.loss_type,
        micro_batch_size=config.micro_batch_size,
        activation_checkpointing=config.activation_checkpointing,
        halting=config.halting,
        clip_norm=config.clip_norm,
        ema_decay=config.ema_decay,
    )


def as_arrays(batch: Mapping[str, np.ndarray]) -> Batch:
    """Turn a batch of numpy arrays into one of MLX arrays."""
    return Batch(
        inputs=mx.array(batch["inputs"]),
        labels=mx.array(batch["labels"]),
        puzzle_identifiers=mx.array(batch["puzzle_identifiers"]),
    )


def _report(step: TrainStep, config: TrainConfig, done: int, clock: "_Clock") -> Report:
    """Read the metrics back from the device."""
    sums, skipped = tree_map(lambda a: a.tolist(), (step.metrics, step.skipped["count"]))
    steps, seconds = clock.lap(done)
    count = max(1, sums.pop("count"))
    halting_steps = [int(slots) for slots in sums.pop("halting_steps")]
    summed = (done - 1) % config.log_interval + 1 - skipped  # with those before a resume
    losses = {name: sums.pop(name) / max(1, summed * config.global_batch_size) for name in list(sums) if "loss" in name}
    return {
        "step": done,
        **losses,
        **{name: total / count for name, total in sums.items()},
        "halting_steps": halting_steps,
        "skipped": skipped,
        "lr": step.optimizer.learning_rate.item(),
        "steps_per_second": steps / seconds,
        "puzzles_per_second": steps * config.global_batch_size / seconds,
        "memory_gib": mx.get_peak_memory() / 2**30,
    }


class _Clock:
    """Measures steps and seconds between reports, without pauses."""

    def __init__(self, step: int) -> None:
        self._step, self._start = step, time.perf_counter()

    def lap(self, step: int) -> tuple[int, float]:
        steps, now = step - self._step, time.perf_counter()
        seconds = now - self._start
        self._step, self._start = step, now
        return steps, seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        before = time.perf_counter()
        yield
        self._start += time.perf_counter() - before
