"""Measure how many puzzles a second are answered in a fixed number of ACT steps, against the matrix products in that.

    uv run python tests/benchmarks/inference.py [--steps N] [--sizes H,HEADS,B ...] [--reference PATH [--python PYTHON]]

A batch is answered in turn by `Predictor`, by `ContinuousPredictor` that never halts early, and, with --reference, by
the model of a checkout of the PyTorch implementation in evaluation mode, as in `train_step.py`. Products are counted
and normalised as there, so that a ratio of 1 would be nothing but products.
"""

import argparse
from collections.abc import Callable

import mlx.core as mx
from hrm_model import HRM, Batch, ContinuousPredictor, HaltingRule, Predictor
from measure import (
    Arrays,
    Size,
    arguments,
    at_least_one,
    config_of,
    dtype,
    each_size,
    gflop,
    memory,
    puzzles,
    report,
    resident_peak,
    rounds_of,
    timed,
)
from reference import check, references


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=at_least_one, default=16, help="ACT steps that each puzzle gets")
    args = parser.parse_args()
    check(args)
    for size in each_size(args):
        measure(args, size)


def measure(args: argparse.Namespace, size: Size) -> None:
    before = resident_peak()
    config, batch = config_of(size, args.steps), puzzles(size.batch)
    products = gflop(config, size.batch, training=False, steps=args.steps)
    with references(args, size, config, batch, training=False) as others:
        ours = answering(HRM(config), batch)
        for answer in ours.values():
            answer()  # compiles
        contenders = {f"{name}, {dtype()}": lambda answer=answer: timed(answer) for name, answer in ours.items()}
        results = rounds_of({**contenders, **others}, products, args.rounds)
        report(size, f"a batch of {args.steps} steps", products, results, puzzles=size.batch)
        print(f"peak memory of both of MLX: {memory(before)}")
        for other, worker in others.items():
            print(f"peak memory of {other}: {worker.memory()}")


def answering(model: HRM, batch: Arrays) -> dict[str, Callable[[], object]]:
    arrays = Batch(**{name: mx.array(array) for name, array in batch.items()})
    predict, stream = Predictor(model), ContinuousPredictor(model, len(batch["inputs"]), HaltingRule("max"))
    return {
        "Predictor": lambda: predict(arrays).tokens.tolist(),
        "ContinuousPredictor": lambda: list(stream([arrays])),
    }


if __name__ == "__main__":
    main()
