"""Whether mx.compile has an effect."""

import os
import subprocess
import sys

import mlx.core as mx


def compile_problem() -> str:
    """Return why a step will not be compiled, or nothing when it will; it trains the same without, but slower."""
    if "MLX_DISABLE_COMPILE" in os.environ:
        return "MLX_DISABLE_COMPILE is set"
    if sys.platform != "linux" or mx.default_device().type != mx.DeviceType.cpu:
        return ""
    try:  # what MLX does before it decides
        subprocess.run(["g++", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        return "there is no g++"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"g++ does not work ({error})"
    return ""
