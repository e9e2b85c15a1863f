"""The error that hrm-ops raises, and the checks of arguments that raise it."""

import mlx.core as mx


class HRMOpsError(ValueError):
    """Base class of every error that hrm_ops raises for a wrong argument.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import HRMOpsError, swiglu
        >>> try:
        ...     swiglu(mx.zeros((2, 3)), mx.zeros((2, 4)))
        ... except HRMOpsError as error:
        ...     print(error)
        [swiglu] up must have the shape of gate, (2, 3), but is (2, 4).
    """


def check_array(function: str, name: str, x: object) -> None:
    """Raise unless `x` is an array of MLX."""
    if not isinstance(x, mx.array):
        raise HRMOpsError(f"[{function}] {name} must be an mlx.core.array, but is a {type(x).__name__}.")


def check_floating(function: str, name: str, x: mx.array, axes: int = 0) -> None:
    """Raise unless `x` is a floating point array of at least so many axes."""
    check_array(function, name, x)
    if not mx.issubdtype(x.dtype, mx.floating):
        raise HRMOpsError(f"[{function}] {name} must be floating point, but is {x.dtype}.")
    if x.ndim < axes:
        raise HRMOpsError(f"[{function}] {name} must have at least {axes} axis, but is {x.shape}.")
