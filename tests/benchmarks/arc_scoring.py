"""Measure time and memory of scoring ARC: 400 tasks of two tests, each with 1,000 augmented copies.

uv run python tests/benchmarks/arc_scoring.py [--tasks 400] [--answers different equal few] [--vote-by majority]

`different`: no two answers are equal, which takes the most memory; `equal`: all are right; `few`: twenty candidates.
Every grid is 30x30, every answer has a probability of its own, and each kind has a process of its own.
"""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from typing import get_args

import numpy as np
from hrm_data import ArcAugmentation, ArcTask, encode_grid
from hrm_evaluator.answers._records import Record
from hrm_evaluator.answers._vote import VoteBy
from hrm_evaluator.scoring._arc import ArcScore, score_arc
from hrm_model import Answer
from reference_worker import resident_peak

COPIES, TESTS = 1001, 2
KINDS = {"different": 0, "equal": 1, "few": 20}
"""How many candidates there are to draw from; without any, every answer is drawn anew."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--answers", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--vote-by", choices=get_args(VoteBy), default="confidence")
    options = parser.parse_args()
    for kind in options.answers:
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(kind, options))
        process.start()
        process.join()


def measure(kind: str, options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    colours = [(0, *(1 + rng.permutation(9)).tolist()) for _ in range(COPIES)]
    changes = [ArcAugmentation(), *(ArcAugmentation(i % 8, colours[i]) for i in range(1, COPIES))]
    names = ["<blank>", *(change.name(f"task{task}") for task in range(options.tasks) for change in changes)]
    puzzles = [np.full((30, 30), test + 1) for test in range(TESTS)]
    right = rng.integers(0, 10, (30, 30))
    candidates = [right, *rng.integers(0, 10, (KINDS[kind], 30, 30))][: KINDS[kind]]
    copies = [
        (
            [encode_grid(change.apply(puzzle)).astype(np.int32) for puzzle in puzzles],
            encode_grid(change.apply(right)).astype(np.int32),
            [encode_grid(change.apply(grid)).tolist() for grid in candidates],
        )
        for change in changes
    ]
    making = 0.0

    def records() -> Iterator[Record]:
        nonlocal making
        for identifier in range(1, len(names)):
            inputs, label, turned = copies[(identifier - 1) % COPIES]
            for puzzle in inputs:
                begin = time.perf_counter()
                if turned:
                    answer = turned[min(int(rng.exponential(4)), len(turned) - 1)]
                else:
                    answer = rng.integers(2, 12, 900).tolist()
                q = float(rng.normal())
                making += time.perf_counter() - begin
                yield Record(puzzle, label, identifier, Answer(answer, 1, q, 0.0))

    score, before, start, count = ArcScore(options.vote_by), resident_peak(), time.perf_counter(), 0
    for _ in score_arc(records(), ArcTask(), names, score):
        count += 1
    seconds = time.perf_counter() - start
    print(
        f"{kind:<9} {score.tasks} tasks, {count:,} answers, solved at 1 try {score.pass_at()[1]:.0%}: "
        f"{seconds - making:.1f} s, without the {making:.1f} s of making them; "
        f"peak memory {before:.0f} MiB before and {resident_peak():.0f} MiB after"
    )


if __name__ == "__main__":
    main()
