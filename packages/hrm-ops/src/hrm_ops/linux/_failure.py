"""What an error of MLX means to a user."""

import shutil

from hrm_ops.linux._compiler import explain, forget
from hrm_ops.linux._folder import temporary_directory

_OF_KERNELS = ("Failed to compile function", "Could not load C++ shared library", "filesystem error", "popen() failed")


def explain_mlx_error(error: RuntimeError) -> str:
    """Return in one line what MLX could not do and, for a kernel that it could not compile or load, the remedy.

    MLX raises `RuntimeError` with its function's name in brackets for what it cannot compute, write or allocate.

    Returns:
        An empty string for an error that is not MLX's.

    Example:
        >>> from hrm_ops import explain_mlx_error
        >>> explain_mlx_error(RuntimeError("no error of MLX"))
        ''
    """
    text = str(error)
    if any(start in text for start in _OF_KERNELS):
        forget()
        cause = explain(text, temporary_directory(), shutil.which("g++") or "g++")
        return f"{cause}, or set MLX_DISABLE_COMPILE=1 to compute without kernels, which is slower"
    return text if text.startswith("[") else ""
