"""Rates of Sudoku generation, augmentation and loading: `python tests/benchmarks/sudoku_data.py`, one process."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hrm_data import TrainLoader, one_example_each, open_dataset, write_dataset
from hrm_data.sudoku import SudokuAugment, generate_sudoku, orbit_invariant, solve


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Mean time of one call."""
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - began) / repeats


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puzzles", type=int, default=2000, help="9x9 puzzles of each kind")
    parser.add_argument("--batch", type=int, default=768)
    options = parser.parse_args()

    cases = [((2, 2), 8000, {"kind": "any", "clues": (5, 10)}), ((2, 3), 20000, {"kind": "minimal"})]
    for kind in ("minimal", "singles", "search", "any"):
        cases.append(((3, 3), options.puzzles, {"kind": kind, "clues": 30} if kind == "any" else {"kind": kind}))
    for box, count, wish in cases:
        took = seconds(lambda box=box, count=count, wish=wish: generate_sudoku(count, box, **wish))
        what = " ".join(f"{key}={value}" for key, value in wish.items())
        print(f"generate {box[0]}x{box[1]} {what}: {count / took:.0f} puzzles/s", flush=True)

    made = generate_sudoku(options.batch)
    rate = options.batch / seconds(lambda: solve(made.puzzles))
    print(f"solve 3x3 minimal: {rate:.0f} puzzles/s")
    rate = options.batch / seconds(lambda: orbit_invariant(made.solutions))
    print(f"orbit invariant 3x3: {rate:.0f} grids/s")

    inputs, labels = made.puzzles.astype(np.int32) + 1, made.solutions.astype(np.int32) + 1
    rng = np.random.default_rng(0)
    for hints in (0.0, 0.5):
        augment = SudokuAugment((3, 3), hints)
        took = seconds(lambda augment=augment: augment(inputs, labels, rng), 50)
        print(f"augment batch {options.batch} 3x3 hints={hints}: {took * 1e3:.2f} ms")
    with tempfile.TemporaryDirectory() as folder:
        item = one_example_each(inputs, labels)
        root = write_dataset(Path(folder) / "data", {"train": {"all": item}}, vocab_size=11, seq_len=81)
        loader = TrainLoader(open_dataset(root, "train"), options.batch, augment=SudokuAugment((3, 3), 0.5))
        took = seconds(lambda: next(loader), 50)
        print(
            f"train loader batch {options.batch} 3x3 with augmentation: {took * 1e3:.2f} ms, {1 / took:.0f} batches/s"
        )


if __name__ == "__main__":
    main()
