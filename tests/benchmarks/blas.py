"""Compare the rate of a 1024 x 1024 float32 product in MLX with numpy's; exit 1 below 0.8 of it."""

import statistics
import sys
import time
from collections.abc import Callable

import mlx.core as mx
import numpy as np
from hrm_ops.linux._blas import blas_info

SIZE, ROUNDS, REQUIRED = 1024, 30, 0.8


def main() -> int:
    x = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    y = mx.array(x)

    def in_numpy() -> None:
        x @ x

    def in_mlx() -> None:
        mx.eval(y @ y)

    rates: dict[str, list[float]] = {"numpy": [], "mlx": []}
    for _ in range(ROUNDS):  # interleaved, so that other load on the machine touches both alike
        rates["numpy"].append(rate(in_numpy))
        rates["mlx"].append(rate(in_mlx))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratio = medians["mlx"] / medians["numpy"]
    print(blas_info())
    print(f"numpy {medians['numpy']:.0f} GFLOP/s, mlx {medians['mlx']:.0f} GFLOP/s, ratio {ratio:.2f}")
    return 0 if ratio >= REQUIRED else 1


def rate(product: Callable[[], None]) -> float:
    start = time.perf_counter()
    product()
    return 2 * SIZE**3 / (time.perf_counter() - start) / 1e9


if __name__ == "__main__":
    sys.exit(main())
