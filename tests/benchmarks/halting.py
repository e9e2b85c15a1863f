"""Measure what halting early gains on a trained checkpoint, beside the reference's way of never doing so.

    uv run python tests/benchmarks/halting.py [CHECKPOINT OR RUN ...] [--runs DIR] [--slots N] [--puzzles N]

The test split is answered in turn by `ContinuousPredictor` with the rule `q` and with `max`, several times each, so
that other load on the machine touches both alike. The gain in puzzles per second is compared with what there is to
gain, maximum steps / mean steps. The split is repeated until there are enough puzzles that its end, when slots run
empty, does not decide. What is counted: time from the first puzzle to the last answer, without the compiler's.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from hrm_data import Batch, Dataset
from hrm_evaluator._answers import answer_batches, dataset_batches
from hrm_evaluator._open import find_checkpoint, open_model, open_test_split
from hrm_model import HRM, ContinuousPredictor, HaltingRule

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data-path", type=Path)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--puzzles", type=int, default=2048)
    args = parser.parse_args()
    for path in args.checkpoints or [None]:
        checkpoint = find_checkpoint(path, args.runs)
        model = open_model(checkpoint)
        print(f"{checkpoint.weights}, {args.slots} slots, {args.puzzles} puzzles, {ROUNDS} rounds", flush=True)
        compare(model, open_test_split(checkpoint, model, args.data_path), args.slots, args.puzzles)


def compare(model: HRM, dataset: Dataset, slots: int, puzzles: int) -> None:
    rules = {kind: ContinuousPredictor(model, slots, HaltingRule(kind)) for kind in ("max", "q")}
    speeds: dict[str, list[float]] = {kind: [] for kind in rules}
    for predictor in rules.values():
        answered(predictor, dataset, slots * 2)  # compiles the full step and those of the emptying slots
    for _ in range(ROUNDS):
        for kind, predictor in rules.items():
            start = time.perf_counter()
            steps, exact = answered(predictor, dataset, puzzles)
            speeds[kind].append(puzzles / (time.perf_counter() - start))
            if len(speeds[kind]) == 1:
                print(f"  {kind:4} mean steps {steps:5.2f}  exact accuracy {exact:7.2%}", flush=True)
            if kind == "q":
                mean_steps = steps
    gains = [early / late for early, late in zip(speeds["q"], speeds["max"], strict=True)]
    for kind, found in speeds.items():
        print(f"  {kind:4} {statistics.median(found):8.1f} puzzles/s ({min(found):.1f} to {max(found):.1f})")
    possible = model.config.halt_max_steps / mean_steps
    gain = statistics.median(gains)
    print(
        f"  gain {gain:.2f} ({min(gains):.2f} to {max(gains):.2f}) of {possible:.2f}: {gain / possible:.2f}", flush=True
    )


def answered(predictor: ContinuousPredictor, dataset: Dataset, puzzles: int) -> tuple[float, float]:
    """Answer the first puzzles of the repeated split; their mean steps and exact accuracy."""
    whole = chain.from_iterable(dataset_batches(dataset, predictor.batch_size, None) for _ in repeat(None))
    steps, exact = 0, 0
    for record in islice(answer_batches(predictor, limited(whole, puzzles)), puzzles):
        assert record.labels is not None
        steps += record.answer.steps
        asked = record.labels >= 0
        exact += bool(np.all(record.tokens[asked] == record.labels[asked]))
    return steps / puzzles, exact / puzzles


def limited(batches: Iterator[Batch], puzzles: int) -> Iterator[Batch]:
    while puzzles > 0:
        batch = next(batches)
        yield {name: array[:puzzles] for name, array in batch.items()}
        puzzles -= len(batch["inputs"])


if __name__ == "__main__":
    main()
