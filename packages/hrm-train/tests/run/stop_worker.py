"""Trains six steps with an evaluation in the middle: `python stop_worker.py RUNS long|short`."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import mlx.core as mx
import numpy as np
from hrm_model import HRM, HRMConfig
from hrm_train import HRMTrainError, InterruptedRunError, RunDirectory, TrainConfig, train

SIZES = {"H_layers": 1, "L_layers": 1, "hidden_size": 16, "num_heads": 2, "puzzle_emb_ndim": 16, "halt_max_steps": 2}


class Batches:
    """Batches that follow from their position."""

    position = 0

    def __next__(self) -> Mapping[str, np.ndarray]:
        self.position += 1
        tokens = np.random.default_rng(self.position).integers(0, 7, (2, 4, 16)).astype(np.int32)
        return {"inputs": tokens[0], "labels": tokens[1], "puzzle_identifiers": np.arange(4, dtype=np.int32)}


def evaluate(_: HRM) -> Mapping[str, float]:
    """Compute, as MLX does, in one call without the interpreter."""
    print("evaluating", flush=True)
    hashlib.pbkdf2_hmac("sha512", b"", b"", 2**31 - 1 if sys.argv[2] == "long" else 1)
    return {}


if __name__ == "__main__":
    runs = Path(sys.argv[1])
    try:
        run = RunDirectory.newest(runs)
        resume = run.newest_checkpoint()
    except HRMTrainError:
        run, resume = RunDirectory.create(runs, "stop", {}), None
    mx.random.seed(0)
    model = HRM(HRMConfig(**SIZES, forward_dtype="float32", seq_len=16, vocab_size=7, num_puzzle_identifiers=5))
    config = TrainConfig(steps=6, global_batch_size=4, eval_interval=3, keep_best="none")
    try:
        train(model, config, Batches(), evaluate, run, resume=resume)
    except InterruptedRunError as error:  # the signal came before the computation that nothing interrupts
        print(error, file=sys.stderr)
        sys.exit(130)
