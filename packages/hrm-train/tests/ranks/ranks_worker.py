"""What each rank of the tests in test_ranks.py runs: `python ranks_worker.py TASK,... OUTPUT-DIRECTORY`."""

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from hrm_model import HRM, HRMConfig
from hrm_train import (
    AdamAtan2,
    HRMTrainError,
    InterruptedRunError,
    Ranks,
    RunDirectory,
    SparseSignSGD,
    TrainConfig,
    TrainStep,
    as_arrays,
    train,
)
from mlx.utils import tree_flatten

SLOTS, STEPS, SEQ_LEN = 8, 6, 16


def new_model() -> HRM:
    mx.random.seed(0)
    config = HRMConfig(
        H_layers=1,
        L_layers=1,
        hidden_size=16,
        num_heads=2,
        expansion=1.0,
        puzzle_emb_ndim=16,
        halt_max_steps=4,
        halt_exploration_prob=0.5,
        forward_dtype="float32",
        seq_len=SEQ_LEN,
        vocab_size=7,
        num_puzzle_identifiers=5,  # fewer than slots: both ranks have gradients of one row
    )
    model = HRM(config)
    model.q_head.weight = 0.5 * mx.random.normal(model.q_head.weight.shape)
    model.q_head.bias = mx.array([-0.1, 0.1])
    return model


class Batches:
    """A rank's share of the batch at each position."""

    def __init__(self, share: slice) -> None:
        self.share, self.position = share, 0

    def __next__(self) -> Any:
        self.position += 1
        return {name: np.array(array) for name, array in batch_at(self.position, self.share).items()}


class StoppedBatches(Batches):
    """Batches of which the second stops the run."""

    def __next__(self) -> Any:
        if self.position == 1:
            signal.raise_signal(signal.SIGTERM)
        return super().__next__()


def batch_at(position: int, share: slice) -> Any:
    rng = np.random.default_rng(position)
    tokens = rng.integers(0, 7, (2, SLOTS, SEQ_LEN), np.int32)[:, share]
    identifiers = rng.integers(0, 5, SLOTS, np.int32)[share]
    return as_arrays({"inputs": tokens[0], "labels": tokens[1], "puzzle_identifiers": identifiers})


def train_steps(ranks: Ranks, **options: Any) -> TrainStep:
    config = TrainConfig(global_batch_size=SLOTS, **options)
    step = TrainStep(new_model(), AdamAtan2(1e-2), SparseSignSGD(1e-2), config, ranks)
    for position in range(STEPS):
        step(batch_at(position, ranks.share(SLOTS)))
    mx.eval(step.state)
    return step


def digest(tree: Any) -> str:
    content = b"".join(name.encode() + np.array(array).tobytes() for name, array in sorted(tree_flatten(tree)))
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    tasks, output = sys.argv[1], Path(sys.argv[2])
    ranks = Ranks.join()
    for task in tasks.split(","):
        run_task(task, ranks, output)


def run_task(task: str, ranks: Ranks, output: Path) -> None:
    """Leave what a rank has to tell about a task in files of its own."""
    name = output / f"{task}-{ranks.rank}"
    if task == "train":
        step = train_steps(ranks, clip_norm=0.5, ema_decay=0.5)
        mx.savez(str(name) + ".npz", **dict(tree_flatten({**step.state, "carry": ranks.gather(step.carry)})))
        same = {part: step.state[part] for part in ("model", "optimizer", "puzzle_optimizer", "trained", "metrics")}
        name.with_suffix(".sha256").write_text(digest(same))
    elif task == "differ":
        try:
            ranks.check_same({"lr": 0.1 * (ranks.rank + 1), "seed": 3})
        except HRMTrainError as error:
            name.with_suffix(".txt").write_text(str(error))
    elif task == "share":
        mine = {"a": mx.array([1.5, -0.0]) * (ranks.rank + 1), "b": mx.array([ranks.rank == 0, True])}
        lead = ranks.from_lead(mine)
        summed = ranks.sum([mx.array([1.0, 2.0]), mx.array(float(ranks.rank))])
        texts = ranks.texts("" if ranks.rank else "né au nord")
        found = ranks.in_turn(lambda: len(list(output.glob("turn-*"))) or (output / f"turn-{ranks.rank}").touch() or 0)
        name.with_suffix(".txt").write_text(
            repr([{k: v.tolist() for k, v in lead.items()}, [s.tolist() for s in summed], texts, found])
        )
    elif task == "share a table":
        rows = 200_001  # six parts and a little
        mine = mx.arange(rows * 256, dtype=mx.float32).reshape(rows, 256) * (ranks.rank + 1) + 0.1
        mx.eval(mine)
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        lead = ranks.from_lead({"table": mine})["table"]
        share = (mx.get_peak_memory() - before) / lead.nbytes
        same = mx.array_equal(lead, mx.arange(rows * 256, dtype=mx.float32).reshape(rows, 256) + 0.1)
        name.with_suffix(".txt").write_text(repr((same.item(), share)))
    elif task == "fail":
        try:
            ranks.in_turn(lambda: 1 // (1 - ranks.rank))
        except (ZeroDivisionError, HRMTrainError) as error:
            name.with_suffix(".txt").write_text(f"{type(error).__name__}: {error}")
    elif task == "diverge":
        run = RunDirectory.create(output / "runs", "test", {}) if ranks.leads else None
        config = TrainConfig(
            steps=99, global_batch_size=SLOTS, lr=1e6, weight_decay=1e6, log_interval=1, checkpoint_interval=1
        )
        try:
            train(new_model(), config, Batches(ranks.share(SLOTS)), lambda _: {}, run, ranks=ranks)
        except HRMTrainError as error:
            name.with_suffix(".txt").write_text(str(error))
    elif task == "stop":
        run = RunDirectory.create(output / "stopped", "test", {}) if ranks.leads else None
        config = TrainConfig(steps=8, global_batch_size=SLOTS, eval_interval=1, keep_best="none")
        score = lambda _: {"ranks": float(len(ranks.texts("here")))}  # noqa: E731
        try:
            train(new_model(), config, StoppedBatches(ranks.share(SLOTS)), score, run, ranks=ranks)
        except InterruptedRunError as error:
            name.with_suffix(".txt").write_text(str(error))
        checkpoint = run.newest_checkpoint() if run else None
        train(new_model(), config, Batches(ranks.share(SLOTS)), score, run, resume=checkpoint, ranks=ranks)
    elif task == "die":
        step = train_steps(ranks)
        if ranks.rank == 1:
            os.kill(os.getpid(), 9)
        try:
            for position in range(1000):
                step(batch_at(position, ranks.share(SLOTS)))
                mx.eval(step.state)
        except RuntimeError as error:
            name.with_suffix(".txt").write_text(str(error))


if __name__ == "__main__":
    main()
