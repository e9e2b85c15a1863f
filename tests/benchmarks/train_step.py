"""Measure a full ACT training step against the matrix products that it contains.

    uv run python tests/benchmarks/train_step.py [--sizes H,HEADS,B ...] [--reference PATH [--python PYTHON]]

A step holds everything that the trainer does: filling slots, forward, bootstrap pass, loss, gradients, both
optimisers, new carry, metrics. Its products are those with weights: of HRM at two H and two L cycles, 16 passes
through one module (12 forward, 4 for the backward of the two that carry gradient); attention scores and heads are left
out. The ratio is step time / (FLOPs / rate of products), so that 1 would be a step of nothing but products.

With --reference, a checkout of the PyTorch implementation takes steps of HRM in turn with ours, on the same puzzles and
with as many threads, compiled by torch.compile, in a process of PYTHON, which needs torch and pydantic.
"""

import argparse

import mlx.core as mx
from hrm_model import HRM, Batch
from hrm_ops import lane_threads
from hrm_train import TrainConfig, make_train_step
from measure import (
    Arrays,
    Size,
    Work,
    arguments,
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
    args = arguments(__doc__).parse_args()
    check(args)
    for size in each_size(args):
        measure(args, size)


def measure(args: argparse.Namespace, size: Size) -> None:
    before = resident_peak()
    config, batch = config_of(size, max_steps=16), puzzles(size.batch)
    products = gflop(config, size.batch, training=True)
    with references(args, size, config, batch, training=True) as others:
        step, name = our_step(HRM(config), batch), f"MLX, {dtype()}"
        print(f"first step, with compilation: {step():.1f} s", flush=True)
        report(size, "a step", products, rounds_of({name: step, **others}, products, args.rounds))
        print(f"peak memory of {name}: {memory(before)}")
        for other, worker in others.items():
            print(f"peak memory of {other}: {worker.memory()}")


def our_step(model: HRM, batch: Arrays) -> Work:
    slots = len(batch["inputs"])
    arrays = Batch(**{name: mx.array(array) for name, array in batch.items()})
    step = make_train_step(model, TrainConfig(global_batch_size=slots))

    def take() -> None:
        step(arrays)
        mx.eval(step.state)

    def work() -> float:
        with lane_threads(slots):
            return timed(take)

    return work


if __name__ == "__main__":
    main()
