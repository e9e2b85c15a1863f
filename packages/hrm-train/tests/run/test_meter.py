"""Throughput of a run: counted operations, measured rates, and pauses."""

import time

import mlx.core as mx
import pytest
from hrm_model import HRMConfig
from hrm_ops import swiglu_width
from hrm_train.run._meter import Meter, matmul_rate, train_flops

SMALL = {"seq_len": 9, "vocab_size": 7, "num_puzzle_identifiers": 1, "hidden_size": 32, "num_heads": 2}


def block_flops(config: HRMConfig) -> int:
    """Products of one block on one example, written out: qkv, scores, values, output, gate and up, down."""
    L, D, W = config.total_len, config.hidden_size, swiglu_width(config.hidden_size, config.expansion)
    products = [(L, D, 3 * D), (L, D, L), (L, L, D), (L, D, D), (L, D, 2 * W), (L, W, D)]
    return sum(2 * m * k * n for m, k, n in products)


@pytest.mark.parametrize("halt_loss", ["q_learning", "bce"])
def test_the_operations_of_a_step_are_those_of_its_products(halt_loss: str) -> None:
    config = HRMConfig(**SMALL, H_cycles=3, L_cycles=2, H_layers=1, L_layers=2, halt_loss=halt_loss, puzzle_emb_ndim=32)
    block = block_flops(config)
    blocks = 3 * (2 * 2 + 1)  # of one forward pass
    passes = 2 if halt_loss == "q_learning" else 1
    head = 2 * config.seq_len * 32 * 7
    assert train_flops(config) == block * (passes * blocks + 2 * (2 + 1)) + 3 * head


def test_a_relative_takes_the_operations_of_its_own_calls() -> None:
    config = HRMConfig(**SMALL, H_layers=3, L_layers=2, H_cycles=3, L_cycles=4, halt_loss="bce", puzzle_emb_ndim=0)
    block, head = block_flops(config), 3 * 2 * config.seq_len * 32 * 7
    flat = config.model_copy(update={"variant": "transformer"})
    tiny = config.model_copy(update={"variant": "trm"})
    assert train_flops(flat) == 3 * block * 3 + head
    assert train_flops(tiny) == 2 * block * (3 * 5 + 2 * 5) + head
    mixed = config.model_copy(update={"mixer": "mlp", "variant": "transformer"})
    over_positions = 2 * 32 * 3 * 9 * swiglu_width(9, config.expansion)
    over_width = 2 * 9 * 3 * 32 * swiglu_width(32, config.expansion)
    assert train_flops(mixed) == 3 * 3 * (over_positions + over_width) + head


def test_a_meter_compares_with_the_peak_and_leaves_pauses_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter(slots=8, flops=50.0, peak=1000.0)
    meter.start(10)
    with meter.waiting():
        clock[0] += 1
    clock[0] += 3
    with meter.paused():
        clock[0] += 100
    report = meter.lap(30)
    assert report["steps_per_second"] == pytest.approx(5)
    assert report["puzzles_per_second"] == pytest.approx(40)
    assert report["model_flops_utilisation"] == pytest.approx(0.25)
    assert report["data_wait"] == pytest.approx(0.25)


def test_a_step_faster_than_the_peak_raises_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter(slots=8, flops=50.0, peak=100.0)
    shares = []
    for done in (8, 10, 18):
        clock[0] += 2
        shares.append(meter.lap(done)["model_flops_utilisation"])
    assert shares == [1.0, 0.25, 1.0]


def test_the_rate_of_a_product_is_measured() -> None:
    assert matmul_rate(mx.float32) > 1e6


def test_the_rate_is_that_of_float32_where_a_device_has_nothing_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {mx.float32: 0.02, mx.bfloat16: 2.0}
    monkeypatch.setattr("hrm_train.run._meter._timed", lambda x: seconds[x.dtype])
    assert matmul_rate(mx.bfloat16) == matmul_rate(mx.float32) == 2 * 1024**3 / 0.02
