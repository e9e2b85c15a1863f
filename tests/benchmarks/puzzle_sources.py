"""Rates and memory of maze generation, hard Sudokus and CSV files: `python tests/benchmarks/puzzle_sources.py maze`."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from hrm_data.maze import generate_mazes
from hrm_data.sudoku import SudokuAugment, SudokuOptions, build_sudoku, generate_sudoku


def mazes(count: int) -> None:
    """Hard 30x30 mazes, and smaller ones."""
    for size, number in ((30, count), (10, 10 * count)):
        began, cpu = time.perf_counter(), time.process_time()
        made = generate_mazes(number, size)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(
            f"{number} mazes {size}x{size}: {number / cpu:.0f} mazes a second of a core ({took:.0f} s), "
            f"{made.lengths.min()} to {made.lengths.max()} moves, {made.lengths.mean():.1f} on average"
        )


def hard(count: int) -> None:
    """Search nodes of minimal and of hard Sudokus, and the time that breeding takes."""
    for kind in ("minimal", "hard"):
        began, cpu = time.perf_counter(), time.process_time()
        made = generate_sudoku(count, kind=kind)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        spread = " / ".join(f"{value:.0f}" for value in np.percentile(made.ratings, [10, 50, 90]))
        print(
            f"{count} {kind}: mean search nodes {made.ratings.mean():.1f}, 10 / 50 / 90 percent {spread}; "
            f"{took:.0f} s, {cpu:.0f} s of a core, {count / cpu:.1f} puzzles a second of a core"
        )


def write_csv(path: Path, rows: int) -> None:
    """A file like the published one, of symmetric copies of a few thousand puzzles."""
    made, rng, augment = generate_sudoku(4000), np.random.default_rng(0), SudokuAugment()
    inputs, labels = (boards.astype(np.int32) + 1 for boards in made[:2])
    with path.open("wb") as file:
        file.write(b"source,question,answer,rating\n")
        for start in range(0, rows, len(inputs)):
            questions, answers = ((boards + 47).astype(np.uint8) for boards in augment(inputs, labels, rng))
            questions[questions == ord("0")] = ord(".")
            lines = zip(questions, answers, made.ratings.tolist(), strict=True)
            text = [b"puzzles,%b,%b,%d\n" % (q.tobytes(), a.tobytes(), rating) for q, a, rating in lines]
            file.write(b"".join(text[: rows - start]))


def peak_mib() -> float:
    """The most memory that this process has had, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def convert(path: Path, rows: int, what: str) -> None:
    """One conversion, in a process of its own."""
    before, began, cpu = peak_mib(), time.perf_counter(), time.process_time()
    options = SudokuOptions(train_csv=path, train=1000 if what == "build" else None, test=1000)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        build_sudoku(Path(folder) / "data", options)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{what} of {rows} rows: {rows / cpu:.0f} rows a second of a core, {cpu:.0f} s of a core ({took:.0f} s), "
        f"peak memory {peak_mib():.0f} MiB ({before:.0f} MiB before)",
        flush=True,
    )


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["maze", "hard", "csv", "build", "full"])
    parser.add_argument("--count", type=int, default=500, help="mazes or Sudokus to make")
    parser.add_argument("--rows", type=int, default=3_831_994, help="rows of the CSV file")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == "maze":
        mazes(options.count)
    elif options.what == "hard":
        hard(options.count)
    elif options.file:
        convert(options.file, options.rows, options.what)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "puzzles.csv"
            write_csv(path, options.rows)
            for what in ("build", "full") if options.what == "csv" else (options.what,):
                command = [sys.executable, __file__, what, "--rows", str(options.rows), "--file", str(path)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
