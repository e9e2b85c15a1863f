"""Measure every operation of hrm-ops against the plain expression, and against PyTorch where it is installed.

    uv run python tests/benchmarks/ops.py [--memory] [NAME ...]

Every line is one operation on one shape: the time of the plain expression over ours, so that more than 1 is faster, for
the forward pass and for forward and backward (value and gradients), each op by op and under ``mx.compile``. All
variants of a line run in one process, interleaved, and the median counts, so that other load on the machine touches all
alike. PyTorch's time, measured right after, is divided by that of ours under ``mx.compile``. ``--memory`` measures
instead the peak memory of attention over long sequences. NAME keeps the lines that contain it.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from hrm_ops import RMSNorm, attention, attention_backend, log_stablemax, rms_norm, rope, stablemax, swiglu

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Arrays = list[mx.array]
Work = Callable[[], object]
SECONDS, LEAST_ROUNDS, MOST_ROUNDS = 1.0, 5, 300  # for a line and a mode
LEAST_SECONDS = 2e-3  # that are timed at once


class Case:
    """An operation on arrays, its plain expression, and the same in PyTorch."""

    def __init__(
        self,
        name: str,
        shapes: list[tuple[int, ...]],
        ours: Callable[..., mx.array],
        plain: Callable[..., mx.array],
        torchs: Callable[..., Any] | None = None,
        dtype: mx.Dtype = mx.float32,
    ) -> None:
        self.name, self.ours, self.plain, self.torchs, self.dtype = name, ours, plain, torchs, dtype
        keys = mx.random.split(mx.random.key(0), len(shapes))
        self.args = [mx.random.normal(s, key=key).astype(dtype) for s, key in zip(shapes, keys, strict=True)]
        mx.eval(self.args)

    def forward(self, compiled: bool) -> dict[str, Work]:
        functions = {"plain": self.plain, "ours": self.ours}
        if compiled:
            functions = {name: mx.compile(f) for name, f in functions.items()}
        return {name: lambda f=f: mx.eval(f(*self.args)) for name, f in functions.items()}

    def backward(self, compiled: bool) -> dict[str, Work]:
        weight = mx.random.normal(self.ours(*self.args).shape).astype(self.dtype)
        mx.eval(weight)

        def gradient(f: Callable[..., mx.array]) -> Callable[..., Any]:
            gradients = mx.value_and_grad(lambda *a: (weight * f(*a)).sum(), argnums=list(range(len(self.args))))
            return mx.compile(gradients) if compiled else gradients

        functions = {"plain": gradient(self.plain), "ours": gradient(self.ours)}
        return {name: lambda f=f: mx.eval(f(*self.args)) for name, f in functions.items()}

    def in_torch(self) -> tuple[Work, Work] | None:
        if torch is None or self.torchs is None:
            return None
        dtype = getattr(torch, str(self.dtype).rsplit(".", 1)[-1])
        args = [torch.randn(a.shape).to(dtype).requires_grad_() for a in self.args]
        weight = torch.ones_like(self.torchs(*args))

        def forward() -> None:
            with torch.no_grad():
                self.torchs(*args)

        def backward() -> None:
            torch.autograd.grad(self.torchs(*args), args, weight)

        return forward, backward


def plain_attention(q: mx.array, k: mx.array, v: mx.array, mask: mx.array | None = None) -> mx.array:
    scores = (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)
    return mx.softmax(scores if mask is None else scores + mask, axis=-1) @ v


def plain_causal(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    return plain_attention(q, k, v, nn.MultiHeadAttention.create_additive_causal_mask(q.shape[2], q.dtype))


def fast_attention(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5)


def plain_rope(x: mx.array) -> mx.array:
    return mx.fast.rope(x, x.shape[-1], traditional=False, base=10000.0, scale=1.0, offset=0)


def plain_rms_norm(x: mx.array) -> mx.array:
    return x * mx.rsqrt(x.square().mean(axis=-1, keepdims=True) + 1e-5)


def plain_score(x: mx.array) -> mx.array:
    return mx.where(x < 0, 1 / (1 - mx.minimum(x, 0)), x + 1)


def plain_stablemax(x: mx.array) -> mx.array:
    score = plain_score(x)
    return score / score.sum(axis=-1, keepdims=True)


def plain_log_stablemax(x: mx.array) -> mx.array:
    score = plain_score(x)
    return mx.log(score) - mx.log(score.sum(axis=-1, keepdims=True))


def torch_attention(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def torch_swiglu(gate: Any, up: Any) -> Any:
    return torch.nn.functional.silu(gate) * up


def torch_rms_norm(x: Any) -> Any:
    return torch.nn.functional.rms_norm(x, x.shape[-1:], eps=1e-5)


def torch_stablemax(x: Any, log: bool = False) -> Any:
    score = torch.where(x < 0, 1 / (1 - x.clamp(max=0)), x + 1)
    total = score.sum(dim=-1, keepdim=True)
    return score.log() - total.log() if log else score / total


def torch_rope(x: Any) -> Any:
    cos, sin = torch_tables(x.shape[-2], x.shape[-1])
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


@lru_cache
def torch_tables(length: int, dims: int) -> tuple[Any, Any]:
    angles = torch.outer(torch.arange(length), 10000.0 ** (-torch.arange(0, dims, 2) / dims)).repeat(1, 2)
    return angles.cos(), angles.sin()


def cases() -> Iterator[Case]:
    bf16, f16 = mx.bfloat16, mx.float16
    shapes = [(1, 1, 8, 8), (2, 4, 33, 24), (32, 2, 82, 64), (8, 8, 82, 64), (2, 8, 256, 64), (1, 4, 1024, 64)]
    for shape in shapes:
        yield Case(f"attention {shape}", [shape] * 3, attention, plain_attention, torch_attention)
    yield Case("attention against mx.fast (1, 1, 8, 8)", [(1, 1, 8, 8)] * 3, attention, fast_attention)
    yield Case("attention against mx.fast (8, 8, 82, 64)", [(8, 8, 82, 64)] * 3, attention, fast_attention)
    yield Case(
        "attention bfloat16 (8, 8, 82, 64)", [(8, 8, 82, 64)] * 3, attention, plain_attention, torch_attention, bf16
    )
    yield Case(
        "attention float16 (8, 8, 82, 64)", [(8, 8, 82, 64)] * 3, attention, plain_attention, torch_attention, f16
    )
    long = (1, 4, 1024, 64)
    yield Case(
        f"attention causal {long}",
        [long] * 3,
        lambda q, k, v: attention(q, k, v, mask="causal"),
        plain_causal,
        lambda q, k, v: torch_attention(q, k, v, causal=True),
    )
    for shape in [(7, 5), (32, 82, 512), (8, 82, 1536), (1000, 1001)]:
        yield Case(f"swiglu {shape}", [shape] * 2, swiglu, lambda g, u: nn.silu(g) * u, torch_swiglu)
    yield Case(
        "swiglu bfloat16 (8, 82, 1536)", [(8, 82, 1536)] * 2, swiglu, lambda g, u: nn.silu(g) * u, torch_swiglu, bf16
    )
    for shape in [(7, 5), (32, 82, 128), (8, 82, 512), (1000, 1001)]:
        yield Case(f"rms_norm {shape}", [shape], rms_norm, plain_rms_norm, torch_rms_norm)
        yield Case(f"RMSNorm {shape}", [shape], RMSNorm(shape[-1], weight=False), plain_rms_norm, torch_rms_norm)
    yield Case("rms_norm bfloat16 (8, 82, 512)", [(8, 82, 512)], rms_norm, plain_rms_norm, torch_rms_norm, bf16)
    for shape in [(7, 5), (32, 81, 11), (1000, 1001)]:
        yield Case(f"stablemax {shape}", [shape], stablemax, plain_stablemax, torch_stablemax)
        yield Case(
            f"log_stablemax {shape}", [shape], log_stablemax, plain_log_stablemax, partial(torch_stablemax, log=True)
        )
    for shape in [(1, 1, 7, 4), (32, 2, 82, 64), (2, 8, 1024, 64)]:
        yield Case(f"rope {shape}", [shape], rope, plain_rope, torch_rope)


def seconds(variants: dict[str, Work]) -> dict[str, float]:
    """Median seconds of each, in rounds that interleave them."""
    for work in variants.values():
        work()
    # Some calls in a row: whether MLX's thread still waits for work, or sleeps, is tens of microseconds of difference.
    calls = {name: math.ceil(LEAST_SECONDS / timed(work, 1)) for name, work in variants.items()}
    rounds = math.ceil(SECONDS / sum(timed(work, calls[name]) for name, work in variants.items()))
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(min(max(rounds, LEAST_ROUNDS), MOST_ROUNDS)):
        for name, work in variants.items():
            times[name].append(timed(work, calls[name]) / calls[name])
    return {name: statistics.median(values) for name, values in times.items()}


def timed(work: Work, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - start


def measure(case: Case) -> None:
    figures, torchs = [], case.in_torch()
    for modes, in_torch in zip((case.forward, case.backward), torchs or (None, None), strict=True):
        eager, compiled = modes(False), modes(True)
        found = seconds(eager | {f"compiled {n}": w for n, w in compiled.items()})
        if in_torch:  # by itself: its threads hold the cores for a while after their work
            found |= seconds({"torch": in_torch})
        figures += [found["plain"] / found["ours"], found["compiled plain"] / found["compiled ours"]]
        figures.append(found["torch"] / found["compiled ours"] if in_torch else math.nan)
        ours = found["ours"]
    cells = " | ".join("" if math.isnan(figure) else f"{figure:.2f}" for figure in figures)
    print(f"| {case.name} | {cells} | {1e3 * ours:.2f} |", flush=True)


def memory() -> None:
    """Peak memory of attention over long sequences beside that of the output and of all scores."""
    print("| shape | mask | backend | output MiB | all scores MiB | forward peak MiB | forward and backward peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for length in (2048, 4096, 8192):
        for mask in (None, "causal"):
            q, k, v = (mx.random.normal((1, 2, length, 64), key=mx.random.key(i)) for i in range(3))
            mx.eval(q, k, v)

            def forward(q: mx.array, k: mx.array, v: mx.array, mask: Any = mask) -> mx.array:
                return attention(q, k, v, mask=mask)

            backward = mx.grad(lambda *a, f=forward: f(*a).square().sum(), argnums=(0, 1, 2))
            peaks = [peak(lambda f=f, a=(q, k, v): f(*a)) for f in (forward, backward)]
            cells = [4 * q.size, 4 * 2 * length**2, *peaks]
            backend = attention_backend(q, k, v, mask=mask).name  # type: ignore[arg-type]
            print(f"| {q.shape} | {mask} | {backend} | {' | '.join(f'{c / 2**20:.1f}' for c in cells)} |", flush=True)


def peak(work: Callable[[], object]) -> int:
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(work())
    return mx.get_peak_memory() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure the memory of attention instead")
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure only operations whose name contains this")
    options = parser.parse_args()
    if options.memory:
        memory()
        return
    modes = [f"{task}{how}" for task in ("fwd", "fwd+bwd") for how in ("", " compiled", " compiled, torch")]
    print(f"| operation | {' | '.join(modes)} | fwd+bwd ms |")
    print("|---|---|---|---|---|---|---|---|")
    for case in cases():
        if not options.names or any(name in case.name for name in options.names):
            measure(case)


if __name__ == "__main__":
    main()
