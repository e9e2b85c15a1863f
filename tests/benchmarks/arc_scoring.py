"""Measure time and memory of scoring ARC: 400 tasks of two tests with 1,000 augmentations each, every answer another.

uv run python tests/benchmarks/arc_scoring.py [TASKS]
"""

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from hrm_data import ArcAugmentation, ArcTask, encode_grid
from hrm_evaluator._answers import Record
from hrm_evaluator._arc import ArcScore, score_arc
from hrm_model import Answer

COPIES, TESTS = 1001, 2


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    rng = np.random.default_rng(0)
    colours = [(0, *(1 + rng.permutation(9)).tolist()) for _ in range(COPIES)]
    changes = [ArcAugmentation(), *(ArcAugmentation(i % 8, colours[i]) for i in range(1, COPIES))]
    names = ["<blank>", *(change.name(f"task{task}") for task in range(tasks) for change in changes)]
    grids = [np.full((30, 30), test + 1) for test in range(TESTS)]
    inputs = [[encode_grid(change.apply(grid)).astype(np.int32) for grid in grids] for change in changes]
    label = np.full(900, 3, np.int32)

    def records() -> Iterator[Record]:
        for identifier in range(1, len(names)):
            for test in range(TESTS):
                answer = rng.integers(2, 12, 900).tolist()  # colours all over: the largest grid there is
                copy = inputs[(identifier - 1) % COPIES][test]
                yield Record(copy, label, identifier, Answer(answer, 1, 0.0, 0.0))

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    score, before, start, count = ArcScore(), peak(), time.perf_counter(), 0
    for _ in score_arc(records(), ArcTask(), names, score):
        count += 1
    print(
        f"{score.tasks} tasks, {count:,} answers: {time.perf_counter() - start:.0f} s with making them, "
        f"peak memory {before:.0f} MiB before and {peak():.0f} MiB after"
    )


if __name__ == "__main__":
    main()
