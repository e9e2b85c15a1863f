"""Let MLX's CPU kernels compile with g++ 13 and newer; delete when upstream's do.

For ``mx.compile`` on a CPU MLX writes C++ that starts with a copy of the headers of an older compiler, preprocessed.
They define ``_Float32`` and its relatives, which g++ 13 made built-in types of C++, so that nothing compiles there
(https://github.com/ml-explore/mlx/issues/2281). MLX calls the first ``g++`` of the PATH; the one in ``gxx`` beside this
file calls the real one with other names for these types.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_WRAPPER = Path(__file__).with_name("gxx")
_FIRST = 13  # version of g++


def let_kernels_compile() -> None:
    """Put the wrapper first in the PATH of this process, where the compiler is one that needs it."""
    real = shutil.which("g++") if sys.platform == "linux" else None
    if real is None or Path(real).parent == _WRAPPER:  # of the process that started this one
        return
    if _major_version(real) >= _FIRST and os.access(_WRAPPER / "g++", os.X_OK):
        os.environ["HRM_OPS_GXX"] = real
        os.environ["PATH"] = f"{_WRAPPER}{os.pathsep}{os.environ['PATH']}"


def _major_version(compiler: str) -> int:
    done = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False)
    major = done.stdout.strip().partition(".")[0]
    return int(major) if done.returncode == 0 and major.isdigit() else 0
