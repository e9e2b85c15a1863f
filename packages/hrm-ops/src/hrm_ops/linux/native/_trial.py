"""Tries kernels before a process trusts them: `python -m hrm_ops.linux.native._trial KERNELS PRIMITIVE`."""

import sys
from pathlib import Path

import mlx.core as mx

from hrm_ops.linux.native._build import Native
from hrm_ops.linux.native._sums import gated_unit


def main() -> None:
    """Compare a gated unit and its gradient with MLX's operations."""
    mx.set_default_device(mx.cpu)
    native = Native.load(*map(Path, sys.argv[1:]))
    shapes = [(5, 24), (2 * 40, 24), (24, 40)]
    arrays = [mx.random.normal(shape, key=mx.random.key(i)) for i, shape in enumerate(shapes)]

    def plain(x: mx.array, gate_up: mx.array, down: mx.array) -> mx.array:
        gate, up = mx.split(x @ gate_up.T, 2, axis=-1)
        return mx.fast.rms_norm(x + (gate * mx.sigmoid(gate) * up) @ down.T, None, 1e-5)

    results = [
        [*values, *gradients]
        for function in (plain, lambda *arrays: gated_unit(native, *arrays, 1e-5))
        for values, gradients in [mx.vjp(function, arrays, [mx.ones(shapes[0])])]
    ]
    if not all(mx.allclose(*pair, rtol=1e-3, atol=1e-4).item() for pair in zip(*results, strict=True)):
        sys.exit("error: they compute something else than MLX")


if __name__ == "__main__":
    main()
