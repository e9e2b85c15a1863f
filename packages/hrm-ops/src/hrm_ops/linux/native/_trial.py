"""Tries kernels before a process trusts them: `python -m hrm_ops.linux.native._trial KERNELS PRIMITIVE`."""

import sys
from collections.abc import Callable
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

    def ours(x: mx.array, gate_up: mx.array, down: mx.array) -> mx.array:
        return gated_unit(native, x, gate_up, down, 1e-5)

    for expected, found in zip(_with_gradients(plain, arrays), _with_gradients(ours, arrays), strict=True):
        if not mx.allclose(expected, found, rtol=1e-3, atol=1e-4).item():
            sys.exit("error: they compute something else than MLX")


def _with_gradients(function: Callable[..., mx.array], arrays: list[mx.array]) -> list[mx.array]:
    values, gradients = mx.vjp(function, arrays, [mx.ones(arrays[0].shape)])
    return [*values, *gradients]


if __name__ == "__main__":
    main()
