"""Stablemax, a softmax without exponentials, and its logarithm."""

from typing import Any

import mlx.core as mx

from hrm_ops._errors import HRMOpsError, check_floating
from hrm_ops.linux import _kernels

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


def stablemax_score(x: mx.array) -> mx.array:
    """Return the unnormalised stablemax score: `x + 1` for `x >= 0`, else `1 / (1 - x + 1e-30)`.

    Source: Prieto et al., "Grokking at the Edge of Numerical Stability" (arXiv 2501.04697), eq. 7.

    Args:
        x: Logits of any shape.

    Returns:
        Positive scores of the same shape and dtype.

    Raises:
        HRMOpsError: If `x` is not floating point.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import stablemax_score
        >>> stablemax_score(mx.array([-1.0, 0.0, 3.0])).tolist()
        [0.5, 1.0, 4.0]
    """
    check_floating("stablemax_score", "x", x)
    return _score(_wide(x)).astype(x.dtype)


def _score(x: mx.array) -> mx.array:
    return _expression(x) if x.size < _kernels.FEW else _score_of_many(x)


@_kernels.fused
def _expression(x: mx.array) -> mx.array:
    # |x| + x is 2 x or 0, and |x| - x the other way round. On a CPU mx.where takes longer than all of this, and
    # mx.maximum too once it is compiled. Flat, because a kernel into which a broadcast is fused is not vectorised.
    flat = x.reshape(-1)
    size = mx.abs(flat)
    return ((size + flat + 2) / (size - flat + 2)).reshape(x.shape)


@_custom_function
def _score_of_many(x: mx.array) -> mx.array:
    return _expression(x)


@_score_of_many.vjp
def _score_vjp(_: mx.array, cotangent: mx.array, score: mx.array) -> mx.array:
    flat = score.reshape(-1)
    slope = 2 * flat / (flat + 1 + mx.abs(flat - 1))  # min(score, 1)
    return (cotangent.reshape(-1) * slope.square()).reshape(score.shape)


def log_stablemax(x: mx.array, axis: int = -1) -> mx.array:
    """Return log probabilities `log(s(x) / sum s(x))` along `axis`.

    Args:
        x: Logits of any shape. Half precisions are computed in float32.
        axis: The axis that is normalised.

    Returns:
        Log probabilities of the shape of `x`, float32 (float64 for float64 input).

    Raises:
        HRMOpsError: If `x` is not floating point or has no such axis.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import log_stablemax
        >>> [round(p, 4) for p in log_stablemax(mx.array([-1.0, 0.0, 2.5])).tolist()]
        [-2.3026, -1.6094, -0.3567]
    """
    _check("log_stablemax", x, axis)
    score = _score(_wide(x))
    return mx.log(score) - mx.log(_total(score, axis))


def stablemax(x: mx.array, axis: int = -1) -> mx.array:
    """Return probabilities `s(x) / sum s(x)` along `axis`; they are positive and sum to one.

    Args:
        x: Logits of any shape. Half precisions are computed in float32.
        axis: The axis that is normalised.

    Returns:
        Probabilities of the shape of `x`, float32 (float64 for float64 input).

    Raises:
        HRMOpsError: If `x` is not floating point or has no such axis.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import stablemax
        >>> [round(p, 2) for p in stablemax(mx.array([-1.0, 0.0, 2.5])).tolist()]
        [0.1, 0.2, 0.7]
    """
    _check("stablemax", x, axis)
    score = _score(_wide(x))
    return score / _total(score, axis)


def _total(score: mx.array, axis: int) -> mx.array:
    """Sum over an axis, which is kept."""
    if axis in (-1, score.ndim - 1) and _kernels.is_active(score):
        return _kernels.row_sum(score)
    return score.sum(axis=axis, keepdims=True)


def _wide(x: mx.array) -> mx.array:
    return x if x.dtype == mx.float64 else x.astype(mx.float32)


def _check(function: str, x: mx.array, axis: int) -> None:
    check_floating(function, "x", x, axes=1)
    if not -x.ndim <= axis < x.ndim:
        raise HRMOpsError(f"[{function}] axis must be an axis of x {x.shape}, but is {axis}.")
