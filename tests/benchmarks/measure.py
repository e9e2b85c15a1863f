"""What the benchmarks of training and inference share: sizes, puzzles, the count of FLOPs, rounds, and the report.

A virtual machine's speed can swing by a fifth within seconds. So the rate of matrix products is measured directly
before and after every piece of work, and each round has a ratio of its own, time / (FLOPs / rate): 1 would be nothing
but products. On a CPU that is the rate of numpy's sgemm, on a GPU that of MLX's products in the model's dtype.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from hrm_data.sudoku import SudokuTask
from hrm_model import GeometryConfig, HRMConfig
from hrm_ops import device_info, swiglu_width
from reference_worker import resident_peak

PAUSE = 0.1  # seconds; OpenBLAS's threads wait for more work for some 50 ms after a product, and would hold a core
Arrays = dict[str, np.ndarray]
Work = Callable[[], float]  # does its work once and returns the seconds that it took


class Size(NamedTuple):
    """Width of the model, attention heads, puzzles in a batch, and the model's form."""

    hidden: int
    heads: int
    batch: int
    form: str = "hrm"

    def __str__(self) -> str:
        return ",".join(map(str, self))


SIZES = (
    Size(128, 2, 32),
    Size(512, 8, 8),
    Size(64, 2, 16, "symbols"),  # as the trainer's preset `small`
    Size(128, 2, 32, "trm-mlp"),
    Size(512, 8, 8, "trm-mlp"),
)
BOARD = SudokuTask((3, 3))
FORMS: Mapping[str, Mapping[str, Any]] = {
    "hrm": {},
    "symbols": {
        "variant": "transformer",
        "symbol_equivariant": True,
        "mixer": "groups",
        "pos_encodings": "none",
        "halt_loss": "none",
        "H_cycles": 1,
        "L_cycles": 1,
        "expansion": 3.0,
        "swiglu_multiple": 64,
        "puzzle_emb_ndim": 0,
        "geometry": GeometryConfig(**BOARD.geometry().model_dump()),
    },
    "trm-mlp": {
        "variant": "trm",
        "mixer": "mlp",
        "pos_encodings": "none",
        "halt_loss": "bce",
        "L_layers": 2,
        "H_cycles": 3,
        "L_cycles": 6,
        "puzzle_emb_len": 16,
    },
}


class Result(NamedTuple):
    """What one contender took, a value for each round: seconds, products in GFLOP/s, and their ratio."""

    seconds: list[float]
    rates: list[float]
    ratios: list[float]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options of both benchmarks."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = f"width of the model, attention heads, batch, and one of {', '.join(FORMS)}, the last with no attention"
    parser.add_argument(
        "--sizes", nargs="+", type=size_of, default=SIZES, metavar="HIDDEN,HEADS,BATCH[,FORM]", help=what
    )
    parser.add_argument("--rounds", type=at_least_one, default=9, help="how often each is measured")
    parser.add_argument("--reference", type=Path, help="checkout of the PyTorch implementation to compare with")
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch and pydantic")
    parser.add_argument("--reference-dtype", nargs="+", choices=("float32", "bfloat16"), default=reference_dtypes())
    parser.add_argument("--reference-eager", action="store_true", help="do without torch.compile")
    return parser


def each_size(args: argparse.Namespace) -> Iterator[Size]:
    """Yield the size to measure; several are left to processes of their own, so that the peak memory is each one's."""
    if len(args.sizes) == 1:
        yield args.sizes[0]
        return
    for size in args.sizes:
        if code := subprocess.run([sys.executable, *sys.argv, "--sizes", str(size)], check=False).returncode:
            sys.exit(code)


def dtype() -> str:
    """The dtype of activations that suits the device."""
    return "float32" if mx.default_device().type == mx.DeviceType.cpu else "bfloat16"


def reference_dtypes() -> list[str]:
    """The dtypes in which PyTorch may be fastest: bfloat16 where the processor multiplies it, and always float32."""
    if dtype() == "bfloat16":
        return ["bfloat16"]
    flags = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    return ["float32", *(["bfloat16"] if "avx512_bf16" in flags or "amx_bf16" in flags else [])]


def config_of(size: Size, max_steps: int) -> HRMConfig:
    """A model for 9x9 Sudoku; that of the form `hrm` has one prefix position."""
    settings = {"puzzle_emb_ndim": size.hidden, **FORMS[size.form]}
    return HRMConfig(
        seq_len=BOARD.seq_len,
        vocab_size=BOARD.vocab_size,
        num_puzzle_identifiers=1,
        hidden_size=size.hidden,
        num_heads=size.heads,
        halt_max_steps=max_steps,
        forward_dtype=dtype(),  # type: ignore[arg-type]
        **settings,
    )


def puzzles(batch_size: int) -> Arrays:
    """Random boards and answers ``[B, L]`` int32, the same for all."""
    inputs, labels = np.random.default_rng(0).integers(1, 11, (2, batch_size, 81), np.int32)
    return {"inputs": inputs, "labels": labels, "puzzle_identifiers": np.zeros(batch_size, np.int32)}


def gflop(config: HRMConfig, batch_size: int, *, training: bool, steps: int = 1) -> float:
    """Products with weights in so many ACT steps of a batch, of training or of answering.

    Each update of a state is a forward pass through a network; in training, the last updates, which carry gradient,
    count twice more, and all count once more where there is a bootstrap pass. Attention scores, means over groups and
    heads are left out.
    """
    plan = config.plan
    calls = [plan.networks[update.network] * _block(config) for update in plan.updates]
    total = sum(calls)
    if training:
        total += 2 * sum(calls[-plan.with_gradient :]) + (total if config.bootstraps else 0)
    return 2 * batch_size * steps * total / 1e9


def _block(config: HRMConfig) -> int:
    """Multiply-adds of the weights of a block for one puzzle."""
    D = config.hidden_size
    unit = config.state_len * _unit(config, D)
    if config.mixer == "mlp":
        return unit + D * _unit(config, config.total_len)
    if config.mixer == "attention" and not config.symbol_equivariant:
        return unit + config.state_len * 4 * D * D
    assert config.mixer == "groups"
    assert config.geometry is not None
    groups = sum(max(kind) + 1 for kind in config.geometry.groups_of(config.seq_len))
    return unit + config.planes * groups * D * D + config.seq_len * D * D


def _unit(config: HRMConfig, dims: int) -> int:
    return 3 * dims * swiglu_width(dims, config.expansion, config.swiglu_multiple)


def product_rate() -> float:
    """GFLOP/s of matrix products now, in the dtype that the model computes in."""
    if dtype() == "float32":
        return sgemm_rate()
    y = mx.ones((4096, 4096), mx.bfloat16)
    seconds = statistics.median(timed(lambda: mx.eval([y @ y for _ in range(4)])) for _ in range(5))
    return 4 * 2 * len(y) ** 3 / seconds / 1e9


def sgemm_rate() -> float:
    """GFLOP/s of numpy's matrix products in float32 now."""
    x = np.ones((1024, 1024), np.float32)
    seconds = statistics.median(timed(lambda: x @ x) for _ in range(10))
    return 2 * len(x) ** 3 / seconds / 1e9


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rounds_of(contenders: dict[str, Work], gflop: float, rounds: int) -> dict[str, Result]:
    """Let contenders work in turn, so that other load on the machine touches all alike."""
    results = {name: Result([], [], []) for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            before = _rested(product_rate)
            seconds = _rested(work)
            rate = (before + _rested(product_rate)) / 2
            for values, value in zip(results[name], (seconds, rate, seconds * rate / gflop), strict=True):
                values.append(value)
    return results


def _rested(measure: Callable[[], float]) -> float:
    time.sleep(PAUSE)
    return measure()


def report(size: Size, what: str, gflop: float, results: dict[str, Result], *, puzzles: int = 0) -> None:
    """Print a line for each contender, and how the first of them, ours, stands to the others.

    Args:
        size: What was measured.
        what: What the seconds are of.
        gflop: Products of that.
        results: What each contender took.
        puzzles: How many puzzles were answered meanwhile, if any.
    """
    info = device_info()
    products = f"numpy {np.__version__}'s sgemm" if dtype() == "float32" else "MLX's products in bfloat16"
    print(
        f"{info.chip}, {info.backend}, {info.cores} cores, MLX {info.mlx}; ratios to {products}; median (least to most)"
    )
    print(f"{size.form}, hidden {size.hidden}, {size.heads} heads, batch {size.batch}: {gflop:.1f} GFLOP {what}")
    columns = ("", f"s {what}", "products, GFLOP/s", "ratio", *(["puzzles/s"] if puzzles else []))
    print("|", " | ".join(columns), "|")
    print("|---" * len(columns) + "|")
    for name, (seconds, rates, ratios) in results.items():
        cells = [name, spread(seconds, 3), spread(rates, 0), spread(ratios)]
        cells += [spread([puzzles / value for value in seconds], 1)] if puzzles else []
        print("|", " | ".join(cells), "|")
    (ours, first), *others = results.items()
    for name, other in others:
        shares = [mine / its for mine, its in zip(first.ratios, other.ratios, strict=True)]
        print(f"ratio of {ours} over that of {name}: {spread(shares)}")


def memory(before: float) -> str:
    """Say how much memory this process has held at most."""
    arrays = mx.get_peak_memory() / 2**20
    return f"{arrays:.0f} MiB of arrays, {resident_peak():.0f} MiB resident, {before:.0f} of them before the model"


def spread(values: list[float], digits: int = 2) -> str:
    """Median and extremes."""
    middle, *ends = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({ends[0]} to {ends[1]})"


def at_least_one(text: str) -> int:
    """Read a number of the command line."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be a number, and at least 1")
    return int(text)


def size_of(text: str) -> Size:
    """Read a size of the command line."""
    try:
        hidden, heads, batch, *form = text.split(",")
        size = Size(int(hidden), int(heads), int(batch), *form)
        FORMS[size.form]
    except (TypeError, ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{text!r} should be like {SIZES[0]}") from None
    if min(size[:3]) < 1 or size.hidden % (2 * size.heads):
        raise argparse.ArgumentTypeError(f"{text!r}: the heads should have an even width")
    return size
