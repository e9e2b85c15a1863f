"""Whether mx.compile has an effect."""

import os
import shutil
import sys

import mlx.core as mx


def compile_problem() -> str:
    """Return why a step will not be compiled, or nothing when it will; it trains the same without, but slower."""
    if "MLX_DISABLE_COMPILE" in os.environ:
        return "MLX_DISABLE_COMPILE is set"
    on_linux_cpu = sys.platform == "linux" and mx.default_device().type == mx.DeviceType.cpu
    if on_linux_cpu and shutil.which("g++") is None:
        return "there is no g++"
    return ""
