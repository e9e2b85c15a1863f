"""Measure a full ACT training step against the matrix products that it contains, at numpy's rate.

    uv run python tests/benchmarks/train_step.py

A step holds everything that the trainer does: filling slots, forward, bootstrap pass, loss, gradients, both
optimisers, new carry, metrics. Its products are counted as 16 passes through one module's weight matrices at two
H and two L cycles (12 forward, 4 for the backward of the two passes that carry gradient); attention scores and heads
are left out. The ratio is step time / (FLOPs / sgemm rate), so that 1 would be a step of nothing but products.
"""

import statistics
import time
from collections.abc import Callable

import mlx.core as mx
import numpy as np
from hrm_model import HRM, Batch, HRMConfig
from hrm_ops import lane_threads, swiglu_width
from hrm_train import TrainConfig, TrainStep, make_train_step

PASSES, ROUNDS = 16, 9
SIZES = {"hidden 128, 4+4 layers": (128, 2, 32), "hidden 512, 4+4 layers": (512, 8, 8)}  # hidden, heads, batch


def main() -> None:
    for name, (hidden, heads, batch_size) in SIZES.items():
        config = HRMConfig(
            seq_len=81,
            vocab_size=11,
            num_puzzle_identifiers=1,
            puzzle_emb_ndim=hidden,
            hidden_size=hidden,
            num_heads=heads,
            forward_dtype="float32" if mx.default_device().type == mx.DeviceType.cpu else "bfloat16",
        )
        step, batch = make_train_step(HRM(config), TrainConfig(global_batch_size=batch_size)), puzzles(batch_size)
        with lane_threads(batch_size):
            start = time.perf_counter()
            take(step, batch)
            first = time.perf_counter() - start
        steps, products = [], []
        for _ in range(ROUNDS):  # interleaved, so that other load on the machine touches both alike
            with lane_threads(batch_size):
                steps.append(timed(lambda step=step, batch=batch: take(step, batch)))
            products.append(sgemm_rate())
        gflop, rate = gflops_of(config, batch_size), statistics.median(products)
        median = statistics.median(steps)
        print(
            f"{name}, batch {batch_size}, {config.forward_dtype}: {median:.3f} s a step "
            f"({min(steps):.3f} to {max(steps):.3f}; the first, with compilation, {first:.1f}), "
            f"{gflop:.0f} GFLOP, sgemm {rate:.0f} GFLOP/s, ratio {median * rate / gflop:.2f}, "
            f"peak memory {mx.get_peak_memory() / 2**20:.0f} MiB"
        )


def take(step: TrainStep, batch: Batch) -> None:
    step(batch)
    mx.eval(step.state)


def puzzles(batch_size: int) -> Batch:
    tokens = np.random.default_rng(0).integers(1, 11, (2, batch_size, 81), np.int32)
    return Batch(
        inputs=mx.array(tokens[0]), labels=mx.array(tokens[1]), puzzle_identifiers=mx.zeros((batch_size,), mx.int32)
    )


def gflops_of(config: HRMConfig, batch_size: int) -> float:
    D = config.hidden_size
    block = 4 * D * D + 3 * D * swiglu_width(D, config.expansion)
    return 2 * block * config.L_layers * batch_size * config.total_len * PASSES / 1e9


def sgemm_rate() -> float:
    x = np.ones((1024, 1024), np.float32)
    seconds = statistics.median(timed(lambda: x @ x) for _ in range(10))
    return 2 * 1024**3 / seconds / 1e9


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
