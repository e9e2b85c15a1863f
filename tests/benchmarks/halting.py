"""Measure what halting early gains on a trained checkpoint, beside the reference's way of never doing so.

    uv run python tests/benchmarks/halting.py [CHECKPOINT OR RUN ...] [--puzzles N] [--data-path DIR] [--rules RULE ...]

The test split is answered in turn by `ContinuousPredictor` under each rule, several times, so that other load on the
machine touches all alike. Two things are to be seen. The gain in puzzles per second over `max` comes near what there is
to gain, maximum steps / mean steps. And cost is proportional to mean steps: steps per second, of all puzzles together,
are the same for all rules. The split is repeated until there are enough puzzles that its end, when slots run empty,
does not decide. What is counted: time from the first puzzle to the last answer, without the compiler's.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from hrm_data import Dataset, NumpyBatch
from hrm_evaluator.answers._records import answer_batches, dataset_batches
from hrm_evaluator.loading._checkpoint import find_checkpoint
from hrm_evaluator.loading._dataset import open_test_split
from hrm_evaluator.loading._model import load_one
from hrm_model import HRM, ContinuousPredictor, HaltingRule

RULES = ("max", "q", "confidence", "stable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data-path", type=Path)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--puzzles", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rules", nargs="+", choices=RULES[1:], default=RULES[1:])
    args = parser.parse_args()
    for path in args.checkpoints or [None]:
        checkpoint = find_checkpoint(path, args.runs)
        model = load_one(checkpoint)
        dataset = open_test_split(checkpoint, model, args.data_path)
        print(f"{checkpoint.weights}, {args.slots} slots, {args.puzzles} puzzles, {args.rounds} rounds", flush=True)
        compare(model, dataset, args.slots, args.puzzles, args.rounds, ("max", *args.rules))


def compare(model: HRM, dataset: Dataset, slots: int, puzzles: int, rounds: int, kinds: tuple[str, ...]) -> None:
    rules = {kind: ContinuousPredictor(model, slots, HaltingRule(kind)) for kind in kinds}
    seconds: dict[str, list[float]] = {kind: [] for kind in rules}
    found: dict[str, tuple[float, float]] = {}
    for predictor in rules.values():
        answered(predictor, dataset, slots * 2)  # compiles the full step and those of the emptying slots
    for _ in range(rounds):
        for kind, predictor in rules.items():
            start = time.perf_counter()
            found[kind] = answered(predictor, dataset, puzzles)
            seconds[kind].append(time.perf_counter() - start)
    print("| rule | exact | mean steps | puzzles/s | steps/s | gain | share of max steps / mean steps |")
    print("|---|---|---|---|---|---|---|")
    for kind, (steps, exact) in found.items():
        rate = puzzles / statistics.median(seconds[kind])
        gain = statistics.median(late / early for late, early in zip(seconds["max"], seconds[kind], strict=True))
        share = gain / (model.config.halt_max_steps / steps)
        print(f"| {kind} | {exact:.2%} | {steps:.2f} | {rate:.1f} | {rate * steps:.0f} | {gain:.2f} | {share:.2f} |")


def answered(predictor: ContinuousPredictor, dataset: Dataset, puzzles: int) -> tuple[float, float]:
    """Answer the first puzzles of the repeated split; their mean steps and exact accuracy."""
    whole = chain.from_iterable(dataset_batches(dataset, predictor.batch_size) for _ in repeat(None))
    steps, exact = 0, 0
    for record in islice(answer_batches(predictor, limited(whole, puzzles)), puzzles):
        assert record.labels is not None
        steps += record.answer.steps
        asked = record.labels >= 0
        exact += bool(np.all(record.tokens[asked] == record.labels[asked]))
    return steps / puzzles, exact / puzzles


def limited(batches: Iterator[NumpyBatch], puzzles: int) -> Iterator[NumpyBatch]:
    while puzzles > 0:
        batch = next(batches)
        yield {name: array[:puzzles] for name, array in batch.items()}
        puzzles -= len(batch["inputs"])


if __name__ == "__main__":
    main()
