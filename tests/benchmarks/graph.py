"""Count what a training step holds and launches on a GPU, without one.

    uv run python tests/benchmarks/graph.py [--sizes H,HEADS,B[,FORM] ...] [--kernels-only]

The step takes a GPU's code paths in bfloat16, on the CPU. Each operation of `mx.fast` is one node that reads and writes
the same arrays, so the numbers mean nothing and the counts do. Kernels are the nodes of the compiled graph that are not
views; a concatenation is a copy for each part. Reshapes that copy are not seen, so the count is a lower bound.

Memory is measured on a model of an eighth of the width (at least 32), evaluated one operation after the other, and
given in states: arrays [positions, hidden] in bfloat16, for each slot. A GPU holds more: also what the operations that
it has not finished yet have freed.
"""

import argparse
import gc
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
from hrm_model import HRM, Batch, HRMConfig, model_size
from hrm_ops import prepare_kernels
from hrm_train import TrainConfig, TrainStep, make_train_step
from measure import FORMS, Size, config_of, puzzles, size_of
from mlx.utils import tree_flatten

PAPER = Size(512, 8, 768)
VIEWS = (
    *("AsStrided", "Broadcast", "BroadcastAxes", "Copy", "CustomTransforms", "Depends", "ExpandDims", "Flatten"),
    *("Reshape", "Slice", "Split", "Squeeze", "StopGradient", "Transpose", "Unflatten", "View"),
)
_custom_function: Any = mx.custom_function


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = f"width of the model, attention heads, batch, and one of {', '.join(FORMS)}"
    parser.add_argument("--sizes", nargs="+", type=size_of, default=[PAPER], metavar="HIDDEN,HEADS,BATCH", help=what)
    parser.add_argument("--kernels-only", action="store_true", help="compile and compute nothing")
    args = parser.parse_args()
    if not args.kernels_only:
        prepare_kernels()
    with on_a_gpu():
        for size in args.sizes:
            print(f"{size.form}, hidden {size.hidden}, {size.heads} heads, batch {size.batch}, bfloat16, one step")
            report_kernels(of(size), size.batch)
            if not args.kernels_only:
                report_memory(size)


def of(size: Size, **settings: Any) -> HRMConfig:
    """The configuration of a size, in bfloat16."""
    config = config_of(size, max_steps=16)
    return type(config).model_validate(config.model_dump() | {"forward_dtype": "bfloat16"} | settings)


def report_kernels(config: HRMConfig, batch: int) -> None:
    kernels, fused = kernels_of(config, batch)
    print(f"kernels launched: {kernels.total()}; distinct fused kernels: {fused}")
    for name, count in kernels.most_common():
        print(f"| {name} | {count} |")


def report_memory(size: Size) -> None:
    """Print how many states a step holds at its peak, what they are, and the memory of the whole size."""
    heads = max(1, size.heads // 8)
    small = Size(max(32, size.hidden // 8 // (2 * heads) * 2 * heads), heads, size.batch, size.form)

    def states(**settings: Any) -> float:
        return states_of(of(small, swiglu_multiple=small.hidden // 2, **settings))

    whole, config = states(), of(size)
    print(f"states at the peak, for each slot: {whole:.0f}")
    deeper = {name: getattr(config, name) + 1 for name in ("H_layers", "L_layers")}
    print(f"| a block more in each network | {states(**deeper) - whole:.1f} |")
    if config.variant != "transformer":
        print(f"| a cycle more without gradient | {states(H_cycles=config.H_cycles + 1) - whole:.1f} |")
    if config.bootstraps:
        print(f"| the bootstrap pass | {whole - states(halt_loss='bce'):.1f} |")
    state = config.state_len * config.hidden_size * 2
    weights = model_size(config).dense * (5 * 4 + 2)  # weight, both moments, gradient and its mean; the cast weight
    print(f"at batch {size.batch}: {(whole * size.batch * state + weights) / 2**30:.1f} GiB")


@contextmanager
def on_a_gpu() -> Iterator[None]:
    """Take a GPU's code paths inside the block, with stand-ins for its operations."""
    stream = mx.default_stream(mx.default_device())
    replaced: list[tuple[Any, str, Any]] = [
        (mx, "default_device", lambda: mx.Device(mx.gpu)),
        (mx, "default_stream", lambda _: stream),
        (mx.fast, "rms_norm", _rms_norm),
        (mx.fast, "rope", _rope),
        (mx.fast, "scaled_dot_product_attention", _attention),
    ]
    kept = [(where, name, getattr(where, name)) for where, name, _ in replaced]
    try:
        for where, name, stand_in in replaced:
            setattr(where, name, stand_in)
        yield
    finally:
        for where, name, original in kept:
            setattr(where, name, original)


def kernels_of(config: HRMConfig, batch: int) -> tuple[Counter[str], int]:
    """Count the kernels of a step by operation, and the distinct ones that are fused; nothing is computed."""
    step, examples = _step(config, batch)
    mx.eval(step.state, examples)
    started: list[Any] = []
    kept = {name: getattr(mx, name) for name in ("eval", "async_eval")}
    try:
        for name in kept:
            setattr(mx, name, lambda *arrays: started.extend(arrays))
        step(examples)
        started.append(step.state)
    finally:
        for name, function in kept.items():
            setattr(mx, name, function)
    dot = io.StringIO()
    mx.export_to_dot(dot, *[array for _, array in tree_flatten(started) if isinstance(array, mx.array)])
    labels = dict(re.findall(r'^\{ (\d+) \[label ="(\w+)', dot.getvalue(), re.M))
    counts: Counter[str] = Counter()
    for line in dot.getvalue().splitlines():
        if match := re.match(r'\{ \d+ \[label ="(\w+)', line):
            label = match[1]
            name = "fused" if label.startswith("Compiled") else {"Softmax": "mx.fast"}.get(label, label)
            counts[name] += label not in (*VIEWS, "Concatenate")
        elif (match := re.match(r'".*" -> (\d+)', line)) and labels[match[1]] == "Concatenate":
            counts["Concatenate"] += 1
    return +counts, len({label for label in labels.values() if label.startswith("Compiled")})


def states_of(config: HRMConfig) -> float:
    """Measure how many states a step holds at its peak for each slot."""
    limit = mx.set_memory_limit(1)  # starts an operation when the one before is done, as its memory is free then
    try:
        few, many = (_peak(config, batch) for batch in (2, 6))
    finally:
        mx.set_memory_limit(limit)
    return (many - few) / 4 / (config.state_len * config.hidden_size * 2)


def _peak(config: HRMConfig, batch: int) -> int:
    gc.collect()  # a model before this one
    step, examples = _step(config, batch)
    for _ in range(2):  # only the second step starts from a state that a step has left
        mx.reset_peak_memory()
        step(examples)
        mx.eval(step.state)
    return mx.get_peak_memory()


def _step(config: HRMConfig, batch: int) -> tuple[TrainStep, Batch]:
    step = make_train_step(HRM(config), TrainConfig(global_batch_size=batch))
    return step, Batch(**{name: mx.array(array) for name, array in puzzles(batch).items()})


def _written(like: mx.array, *read: mx.array) -> mx.array:
    """Return one array like the first, written by an operation that reads them all."""
    return mx.softmax(mx.depends([like], list(read))[0] if read else like, axis=-1)


def _with_gradient(gradient: Callable[..., Any]) -> Callable[..., mx.array]:
    """Return a stand-in that writes an array like its first argument, with this gradient."""

    def forward(*arrays: mx.array) -> mx.array:
        return _written(*arrays)

    custom = _custom_function(forward)
    custom.vjp(gradient)
    return custom  # type: ignore[no-any-return]


_NORM = _with_gradient(lambda x, cotangent, _: _written(cotangent, x))
_ROPE = _with_gradient(lambda _, cotangent, __: _written(cotangent))
_ATTENTION = _with_gradient(lambda qkv, cotangent, out: tuple(_written(a, *qkv, out, cotangent) for a in qkv))


def _rms_norm(x: mx.array, weight: mx.array | None, eps: float) -> mx.array:
    assert weight is None
    return _NORM(x)


def _rope(x: mx.array, *_: object, **__: object) -> mx.array:
    return _ROPE(x)


def _attention(q: mx.array, k: mx.array, v: mx.array, **_: object) -> mx.array:
    return _ATTENTION(q, k, v)


if __name__ == "__main__":
    main()
