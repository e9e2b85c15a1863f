"""Rate, memory and waiting time of the loaders: `python tests/benchmarks/loader.py`, one process."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from hrm_data import PrefetchLoader, TrainLoader, open_dataset
from hrm_data.sudoku import SudokuAugment, generate_sudoku
from hrm_model import HRM, HRMConfig
from hrm_ops import lane_threads
from hrm_train import TrainConfig, as_arrays, make_train_step

BATCH = 768
# name: groups, puzzles in a group, examples of a puzzle, tokens, vocabulary, batch of the timed training step
SHAPES = {"sudoku": (1000, 1001, 1, 81, 11, 128), "arc": (960, 100, 3, 900, 12, 8)}


def write(root: Path, shape: str) -> Path:
    """A training split of this shape, written piece by piece: Sudokus, or grids of random colours."""
    groups, puzzles, examples, seq_len, vocab, _ = SHAPES[shape]
    total, rng = groups * puzzles * examples, np.random.default_rng(0)
    folder = root / shape / "train"
    folder.mkdir(parents=True)
    made = generate_sudoku(groups) if shape == "sudoku" else None
    for field in ("inputs", "labels"):
        file = np.lib.format.open_memmap(folder / f"all__{field}.npy", "w+", np.uint8, (total, seq_len))
        for start in range(0, total, puzzles * examples):
            rows = file[start : start + puzzles * examples]
            if made is not None:
                rows[:] = (made.puzzles if field == "inputs" else made.solutions)[start // len(rows)] + 1
            else:
                rows[:] = rng.integers(0, vocab, rows.shape, np.uint8)
        file.flush()
        del file, rows
    np.save(folder / "all__puzzle_identifiers.npy", np.zeros(groups * puzzles, np.int32))
    np.save(folder / "all__puzzle_indices.npy", np.arange(0, total + 1, examples, dtype=np.int64))
    np.save(folder / "all__group_indices.npy", np.arange(0, groups * puzzles + 1, puzzles, dtype=np.int64))
    numbers = {"vocab_size": vocab, "seq_len": seq_len, "total_groups": groups, "mean_puzzle_examples": examples}
    fixed = {"pad_id": 0, "ignore_label_id": 0, "blank_identifier_id": 0, "num_puzzle_identifiers": 1}
    (folder / "dataset.json").write_text(json.dumps({**numbers, **fixed, "sets": ["all"]}))
    return root / shape


def own_memory() -> float:
    """MiB that this process has for itself: without pages of mapped files, which the system takes back at need."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def seconds_a_batch(batches: Iterator[Any], count: int) -> float:
    """Mean time of `next`, after the first."""
    next(batches)
    began = time.perf_counter()
    for _ in islice(batches, count):
        pass
    return (time.perf_counter() - began) / count


def training_step(shape: str, batches: PrefetchLoader, batch: int, steps: int) -> tuple[float, float]:
    """Seconds of a step of the preset `small`'s model, and the share of them that was spent waiting for data."""
    *_, seq_len, vocab, _ = SHAPES[shape]
    config = HRMConfig(
        **{"seq_len": seq_len, "vocab_size": vocab, "num_puzzle_identifiers": 1, "hidden_size": 128, "num_heads": 4},
        **{"H_layers": 2, "L_layers": 2, "H_cycles": 1, "L_cycles": 1, "expansion": 3.0, "pos_encodings": "learned"},
        **{"puzzle_emb_ndim": 0, "halt_max_steps": 8, "forward_dtype": "float32"},
    )
    step = make_train_step(
        HRM(config), TrainConfig(steps=100, global_batch_size=batch, loss_type="softmax_cross_entropy")
    )
    with lane_threads(batch):
        for number in range(steps + 2):
            if number == 2:  # compiled by now
                began, waited = time.perf_counter(), batches.waited
            step(as_arrays(next(batches)))
            mx.eval(step.state)
        took = time.perf_counter() - began
    return took / steps, (batches.waited - waited) / took


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=100, help="batches that are timed")
    parser.add_argument("--steps", type=int, default=4, help="training steps that are timed")
    parser.add_argument("--data-path", type=Path, help="measure the loader on this dataset directory, nothing else")
    options = parser.parse_args()
    if options.data_path:
        before, dataset = own_memory(), open_dataset(options.data_path, "train")
        took = seconds_a_batch(TrainLoader(dataset, BATCH), options.batches)
        print(f"{options.data_path}: batch of {BATCH} {took * 1e3:.2f} ms, {BATCH / took:.0f} examples/s")
        print(f"{options.data_path}: own memory grew by {own_memory() - before:.0f} MiB")
        return
    augments: dict[str, Callable[..., Any] | None] = {"sudoku": SudokuAugment((3, 3), 0.5), "arc": None}
    with tempfile.TemporaryDirectory() as folder:
        for shape, (*_, step_batch) in SHAPES.items():
            root = write(Path(folder), shape)
            size = sum(file.stat().st_size for file in root.rglob("*.npy")) / 2**20
            before, began = own_memory(), time.perf_counter()
            dataset = open_dataset(root, "train")
            took = time.perf_counter() - began
            print(
                f"{shape}: {dataset.examples} examples, {size:.0f} MiB, opened and checked in {took:.2f} s", flush=True
            )
            plain = seconds_a_batch(TrainLoader(dataset, BATCH), options.batches)
            print(f"{shape}: batch of {BATCH} without augmentation {plain * 1e3:.2f} ms")
            made = plain
            if augments[shape] is not None:
                made = seconds_a_batch(TrainLoader(dataset, BATCH, augment=augments[shape]), options.batches)
                print(f"{shape}: batch of {BATCH} with augmentation {made * 1e3:.2f} ms")
            print(f"{shape}: own memory grew by {own_memory() - before:.0f} MiB", flush=True)
            with PrefetchLoader(TrainLoader(dataset, step_batch, augment=augments[shape])) as batches:
                step, share = training_step(shape, batches, step_batch, options.steps)
            whole = step * BATCH / step_batch
            print(f"{shape}: training step {step:.2f} s at batch {step_batch}, so {whole:.1f} s at {BATCH}")
            print(
                f"{shape}: loader {whole / made:.0f} times faster than that; data wait {share:.2%} of the time",
                flush=True,
            )


if __name__ == "__main__":
    main()
