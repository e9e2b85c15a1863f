"""Throughput of a run, and its share of the measured peak."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
from hrm_model import HRMConfig
from hrm_ops import swiglu_width

_LEAST, _LARGEST, _LONG_ENOUGH = 1024, 8192, 0.01  # sides of the matrices; seconds that a product should take
_ROUNDS, _FASTER, _MOST = 5, 0.97, 0.15  # rounds without a time below this share of the fastest; seconds of them all


def train_flops(config: HRMConfig) -> int:
    """Return the floating point operations of one ACT training step of one slot.

    It counts the products of the modules, of attention and of the language head, at two operations for each
    multiply-add: every forward call of a module, two more times for each call that carries gradient, and the
    bootstrap pass. It does not count what activation checkpointing computes again.
    """
    D, length = config.hidden_size, config.state_len
    block = 2 * (_mixing(config) + 3 * D * swiglu_width(D, config.expansion, config.swiglu_multiple))  # for each vector
    calls = [config.plan.networks[update.network] * block for update in config.plan.updates]
    forward, with_gradient = sum(calls), sum(calls[-config.plan.with_gradient :])
    passes = 2 if config.bootstraps else 1
    head = 3 * 2 * D * (config.planes if config.symbol_equivariant else config.vocab_size)
    return length * (passes * forward + 2 * with_gradient) + config.seq_len * head


def _mixing(config: HRMConfig) -> int:
    """Return the multiply-adds with which a block mixes positions and symbols, for each vector of a state."""
    D, length, planes = config.hidden_size, config.total_len, config.planes
    symbols = 0
    if config.mixer == "mlp":
        return 3 * D * swiglu_width(length, config.expansion, config.swiglu_multiple)
    if config.mixer == "attention":
        symbols = 4 * D * D + 2 * planes * D if config.symbol_equivariant else 0
        return 4 * D * D + 2 * length * D + symbols
    symbols = D * D // planes if config.symbol_equivariant else 0
    if config.mixer == "neighbours":
        return 9 * D * D + symbols
    assert config.geometry is not None
    groups = sum(max(kind) + 1 for kind in config.geometry.groups_of(length))
    return 2 * groups * D + groups * D * D // length + symbols


def matmul_rate(dtype: mx.Dtype) -> float:
    """Return the rate of a large matrix product in FLOP/s, measured in less than a second.

    It is the faster of the rates in `dtype` and in float32, because some devices compute every dtype in float32.
    The count of peak memory starts again here.
    """
    rate = max(_rate(each) for each in {dtype, mx.float32})
    mx.clear_cache()
    mx.reset_peak_memory()
    return rate


def _rate(dtype: mx.Dtype) -> float:
    """The highest rate of products of growing size: on a busy machine a single short one may have to wait."""
    size, seconds, rate = 128, 0.0, 0.0
    while size < _LEAST or (seconds < _LONG_ENOUGH and size < _LARGEST):
        size *= 2
        x = mx.ones((size, size), dtype)
        mx.eval(x @ x)
        seconds = _fastest(x)
        rate = max(rate, 2 * size**3 / seconds)
    return float(rate)


def _fastest(x: mx.array) -> float:
    """Seconds of the fastest product, once it has not become faster for some rounds, or time is up."""
    start, fastest, rounds = time.perf_counter(), math.inf, 0
    while rounds < _ROUNDS and time.perf_counter() - start < _MOST:
        seconds = _timed(x)
        rounds = 0 if seconds < _FASTER * fastest else rounds + 1
        fastest = min(fastest, seconds)
    return fastest


def _timed(x: mx.array) -> float:
    start = time.perf_counter()
    mx.eval(x @ x)
    return time.perf_counter() - start


class Meter:
    """Measures steps, seconds and the wait for data between reports; pauses do not count.

    Args:
        slots: Puzzles in a step, of all ranks together.
        flops: Operations of a step, of all ranks together.
        peak: Product rate of all ranks' devices together in FLOP/s.
    """

    def __init__(self, slots: int, flops: float, peak: float) -> None:
        self._slots, self._flops, self._peak = slots, flops, peak
        self.start(0)

    def start(self, done: int) -> None:
        """Start to measure; earlier processes have done `done` steps."""
        self._done, self._start, self._waited = done, time.perf_counter(), 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the block as waiting for data."""
        before = time.perf_counter()
        yield
        self._waited += time.perf_counter() - before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the block out of the measurement."""
        before = time.perf_counter()
        yield
        self._start += time.perf_counter() - before

    def lap(self, done: int) -> dict[str, float]:
        """Return the rates since the last call.

        `model_flops_utilisation` is the share of the measured product rate, at most 1; `data_wait` the share of time
        spent waiting for batches; and `memory_gib` the peak memory of this process's arrays.
        """
        steps, seconds, waited = done - self._done, time.perf_counter() - self._start, self._waited
        self.start(done)
        rate = steps / seconds
        # A step that is faster than the peak shows that other work disturbed its measurement.
        self._peak = max(self._peak, rate * self._flops)
        return {
            "steps_per_second": rate,
            "puzzles_per_second": rate * self._slots,
            "model_flops_utilisation": rate * self._flops / self._peak,
            "data_wait": waited / seconds,
            "memory_gib": mx.get_peak_memory() / 2**30,
        }
