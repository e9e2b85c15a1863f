"""Measure a training step with a puzzle table of a thousand and of a million rows, and while it is saved.

    uv run python tests/benchmarks/puzzle_table.py

Each table is measured in a process of its own; steps of both are taken in turn, so that other load on the machine
touches both alike. ``above the model`` is what memory grows by beyond a run with the small table: by MLX's own
count of its peak, and by the resident set size (RSS) of the process, which holds Python and everything else as
well. Width of the table 512, hidden size 64, 1+1 layers, batch 32, rows drawn at random.
"""

import multiprocessing
import resource
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROWS = (1_000, 1_000_000)
WIDTH, BATCH, ROUNDS = 512, 32, 9
GIB = 2**30


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    ends, processes = [], []
    for rows in ROWS:
        ours, theirs = spawn.Pipe()
        processes.append(spawn.Process(target=worker, args=(rows, theirs)))
        processes[-1].start()
        ends.append(ours)

    def ask(question: str) -> list[Any]:
        answers = []
        for end in ends:
            end.send(question)
            answers.append(end.recv())
        return answers

    start = ask("memory")
    times = list(zip(*(ask("step") for _ in range(ROUNDS)), strict=True))
    trained = ask("memory")
    ask("evaluate")
    evaluated, saving = ask("memory"), ask("save")
    saved = ask("memory")
    for end, process in zip(ends, processes, strict=True):
        end.send("end")
        process.join()

    small, large = (statistics.median(each) for each in times)
    table = ROWS[1] * WIDTH * 4 / GIB
    print(f"table of {ROWS[1]:,} x {WIDTH}: {table:.2f} GiB")
    print(
        f"step: {small * 1e3:.0f} ms with {ROWS[0]:,} rows, {large * 1e3:.0f} ms with {ROWS[1]:,}: {large / small:.3f}"
    )
    peaks = {"at the start": start, "after training": trained, "after an evaluation": evaluated}
    for name, memory in {**peaks, "after a checkpoint": saved}.items():
        above = [b - a for a, b in zip(*memory, strict=True)]
        print(f"peak {name}: above the model {above[0]:.2f} GiB by MLX's count, {above[1]:.2f} GiB of RSS")
    for rows, (blocked, during, written) in zip(ROWS, saving, strict=True):
        print(
            f"checkpoint with {rows:,} rows: training waits {blocked:.2f} s and copies a part of the table after each "
            f"of {len(during)} steps, which take {statistics.mean(during) * 1e3:.0f} ms; written {written:.2f} s later"
        )


def worker(rows: int, pipe: Connection) -> None:
    import mlx.core as mx
    import numpy as np
    from hrm_model import HRM, Batch, HRMConfig, Predictor
    from hrm_ops import lane_threads
    from hrm_train import Position, Snapshot, TrainConfig, make_train_step

    config = HRMConfig(
        seq_len=81,
        vocab_size=11,
        num_puzzle_identifiers=rows,
        puzzle_emb_ndim=WIDTH,
        hidden_size=64,
        num_heads=2,
        H_layers=1,
        L_layers=1,
        forward_dtype="float32" if mx.default_device().type == mx.DeviceType.cpu else "bfloat16",
    )
    model = HRM(config)
    mx.eval(model.parameters())
    step = make_train_step(model, TrainConfig(global_batch_size=BATCH, lr_warmup_steps=0))
    predictor = Predictor(model)
    rng = np.random.default_rng(0)

    def batch() -> Batch:
        tokens = rng.integers(1, 11, (2, BATCH, 81), np.int32)
        identifiers = rng.integers(0, rows, BATCH, np.int32)
        return Batch(inputs=mx.array(tokens[0]), labels=mx.array(tokens[1]), puzzle_identifiers=mx.array(identifiers))

    def timed(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step(batch(), max_steps=1)
        mx.eval(step.state)
        return (time.perf_counter() - start) / steps

    def memory() -> tuple[float, float]:
        kilobyte = 1 if sys.platform == "darwin" else 1024
        return mx.get_peak_memory() / GIB, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte / GIB

    def save() -> tuple[float, list[float], float]:
        from concurrent.futures import ThreadPoolExecutor

        with TemporaryDirectory() as directory, ThreadPoolExecutor(1) as pool:
            start = time.perf_counter()
            snapshot = Snapshot(step, Position(0, 0))
            written = pool.submit(snapshot.write, Path(directory))
            blocked, during = time.perf_counter() - start, []
            assert snapshot.table is not None
            while not (during and snapshot.table.is_done):
                start = time.perf_counter()
                step(batch(), max_steps=1)
                snapshot.table.take()
                during.append(time.perf_counter() - start)
            start = time.perf_counter()
            written.result()
            return blocked, during, time.perf_counter() - start

    def evaluate() -> float:
        predictor(batch())
        return timed(3)

    with lane_threads(BATCH):
        timed(2)  # compiles
        answers = {"step": lambda: timed(3), "memory": memory, "save": save, "evaluate": evaluate}
        while (question := pipe.recv()) != "end":
            pipe.send(answers[question]())


if __name__ == "__main__":
    main()
