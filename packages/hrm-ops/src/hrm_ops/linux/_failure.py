"""What an error of MLX means to a user."""

import dis

from hrm_ops.linux._compiler import explain, forget
from hrm_ops.linux._folder import temporary_directory

_OF_KERNELS = ("compile function", "compiled function", "shared library", "filesystem error", "popen()", "pclose()")


def explain_mlx_error(error: RuntimeError) -> str:
    """Return in one line what MLX could not do and, for a kernel that it could not compile or load, the remedy.

    An error is MLX's if its compiled code raised it, whatever the text; Python code raises others.

    Returns:
        An empty string for an error that is not MLX's.

    Example:
        >>> from hrm_ops import explain_mlx_error
        >>> explain_mlx_error(RuntimeError("no error of MLX"))
        ''
    """
    text = " ".join(str(error).split())
    if not (_is_from_compiled_code(error) or text.startswith("[")):
        return ""
    if any(word in text for word in _OF_KERNELS):
        forget()
        cause = explain(str(error), temporary_directory())
        return f"{cause}, or set MLX_DISABLE_COMPILE=1 to compute without kernels, which is slower"
    return text if text.startswith("[") else f"MLX failed: {text or 'it does not say why'}"


def _is_from_compiled_code(error: RuntimeError) -> bool:
    """Whether a call into compiled code raised an error: the innermost line of Python has no `raise` then."""
    trace = error.__traceback__
    if trace is None or type(error) is not RuntimeError:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return not dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]].startswith("RAISE")
