from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx
import numpy as np
from hrm_model import HRM, Batch
from hrm_ops import lane_threads

from hrm_train._config import TrainConfig
from hrm_train._errors import InterruptedRunError
from hrm_train.checkpoint._checkpoint import Progress
from hrm_train.ranks._ranks import Ranks
from hrm_train.ranks._watchdog import Watchdog
from hrm_train.run._agreement import StopVote
from hrm_train.run._directory import RunDirectory
from hrm_train.run._memory import memory_limits
from hrm_train.run._protocols import BatchSource, Callback, Report
from hrm_train.run._records import Records
from hrm_train.run._report import new_meter, read_report
from hrm_train.run._stop import StopNow, stop_requests
from hrm_train.step._step import make_train_step


def train(
    model: HRM,
    config: TrainConfig,
    batches: BatchSource,
    evaluate: Callable[[HRM], Report],
    run: RunDirectory | None,
    callbacks: Sequence[Callback] = (),
    resume: Path | None = None,
    ranks: Ranks | None = None,
) -> None:
    """Train a model to the end of its run, with reports, evaluations and checkpoints on the way.

    Args:
        model: The model, trained in place.
        config: How it is trained.
        batches: The training data; each rank's share of it.
        evaluate: Scores the model on held-out puzzles; gives every rank the same.
        run: Where metrics and checkpoints go; None on every rank but 0.
        callbacks: Told about progress.
        resume: Checkpoint of the run to go on from, such as ``run.newest_checkpoint()``; rank 0 reads it.
        ranks: The processes that train together; left out, this one alone.

    Raises:
        InterruptedRunError: On SIGINT or SIGTERM, after a checkpoint was written.
        RunInUseError: If another process trains in this run.
        HRMTrainError: If loss or gradients are not finite and ``config.on_nan`` is ``stop``, the checkpoint
            cannot be used, something cannot be written, or the batch cannot be divided.
    """
    ranks = ranks or Ranks()
    mx.random.seed(config.seed + 1)  # the weights took the seed itself
    config.slots_per_rank(ranks.size)
    step, meter = make_train_step(model, config, ranks), new_meter(model.config, config.global_batch_size, ranks)
    watchdog = Watchdog(config.rank_timeout, ranks)
    done, stopped_early = 0, False

    def due(interval: int) -> bool:
        return stopped_early or done == config.steps or (done > 0 and done % interval == 0)

    def report() -> bool:
        values = read_report(step, config, done, meter)
        records.add("train", values)
        for callback in callbacks:
            callback.reported(values)
        records.refuse_divergence(done)
        step.reset_metrics()
        return 0 < config.early_stop_accuracy <= values["exact_accuracy"]

    def score() -> bool:
        try:
            with meter.paused(), step.averaged(), stop.acts_at_once() if ranks.size == 1 else nullcontext():
                values = {"step": done, **evaluate(model)}
        except StopNow:
            return False
        records.add("eval", values)
        for callback in callbacks:
            callback.evaluated(values)
        return True

    def save() -> None:
        with meter.paused():
            records.save(Progress(done, batches.position))

    with (
        stop_requests() as stop,
        memory_limits(config),
        lane_threads(step.lane_slots),
        Records(run, step, config) as records,
        watchdog,
    ):
        done, batches.position = records.start(batches.position, resume)
        stopped_early = config.early_stop_accuracy > 0 and records.reached(config.early_stop_accuracy, done)
        unscored = due(config.eval_interval) and not records.was_evaluated(done)
        stopping = StopVote(stop, ranks)
        meter.start(done)
        try:
            for callback in callbacks:
                callback.started(done)
            while unscored or not (stopped_early or done == config.steps):
                if not unscored:
                    with meter.waiting():
                        batch = as_arrays(next(batches))
                    step(batch, max_steps=1 if done < config.halt_warmup_steps else None)
                    done += 1
                    records.advance()
                    watchdog.beat()
                    stopping.cast()
                    if due(config.log_interval):
                        stopped_early = report()
                    unscored = due(config.eval_interval)
                if unscored and not stopping.is_set:
                    unscored = not score()
                    if not unscored and records.is_best(done):
                        save()
                if due(config.checkpoint_interval):
                    save()
                if stopping.is_set and (unscored or not (stopped_early or done == config.steps)):
                    save()
                    records.wait()
                    raise InterruptedRunError(f"stopped after step {done} of {config.steps}{_saved_in(run)}")
        finally:
            for callback in callbacks:
                callback.ended()


def _saved_in(run: RunDirectory | None) -> str:
    return f"; saved in {run.path}" if run else ""


def as_arrays(batch: Mapping[str, np.ndarray]) -> Batch:
    """Turn a batch of numpy arrays into one of MLX arrays."""
    return Batch(
        inputs=mx.array(batch["inputs"]),
        labels=mx.array(batch["labels"]),
        puzzle_identifiers=mx.array(batch["puzzle_identifiers"]),
    )
