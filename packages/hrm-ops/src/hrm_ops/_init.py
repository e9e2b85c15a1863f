"""Initialisers of weights: truncated normal and LeCun normal."""

import math

import mlx.core as mx

from hrm_ops._errors import HRMOpsError

_BOUND = 2.0  # where the unit normal is cut, in standard deviations before correction


def _std_of_unit_normal_cut_at(bound: float) -> float:
    """Standard deviation of a unit normal restricted to [-bound, bound]."""
    mass = math.erf(bound / math.sqrt(2))
    density = math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * bound * density / mass)


def truncated_normal(
    shape: tuple[int, ...] | list[int],
    std: float = 1.0,
    dtype: mx.Dtype = mx.float32,
    key: mx.array | None = None,
) -> mx.array:
    """Sample a normal cut at two standard deviations whose *truncated* distribution has the asked std.

    This is the JAX/Flax kind: the underlying normal is widened by 1 / 0.8796, so that cutting it
    brings the standard deviation back to `std`. Samples lie within `2 * std / 0.8796`.

    Args:
        shape: Shape of the result.
        std: Standard deviation of the result, at least 0. With 0 the result is all zeros.
        dtype: Floating point type of the result.
        key: Random key; MLX's global random state when left out.

    Returns:
        Array of `shape` and `dtype`.

    Raises:
        HRMOpsError: If `shape` is no tuple of sizes, `std` is negative or `dtype` not floating point.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import truncated_normal
        >>> sample = truncated_normal((1000, 100), std=0.5, key=mx.random.key(0))
        >>> round(mx.std(sample).item(), 2), sample.max().item() < 2 * 0.5 / 0.8796
        (0.5, True)
    """
    if not isinstance(dtype, mx.Dtype) or not mx.issubdtype(dtype, mx.floating):
        raise HRMOpsError(f"[truncated_normal] dtype must be floating point, but is {dtype}.")
    if not isinstance(shape, (tuple, list)) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise HRMOpsError(f"[truncated_normal] shape must be a tuple of sizes of at least 0, but is {shape!r}.")
    if std < 0:
        raise HRMOpsError(f"[truncated_normal] std must be at least 0, but is {std}.")
    if std == 0:
        return mx.zeros(shape, dtype)  # a table of gigabytes need not be sampled
    unit = mx.random.truncated_normal(-_BOUND, _BOUND, tuple(shape), key=key)
    return (unit * (std / _std_of_unit_normal_cut_at(_BOUND))).astype(dtype)


def lecun_normal(shape: tuple[int, int], dtype: mx.Dtype = mx.float32, key: mx.array | None = None) -> mx.array:
    """Sample a weight `[out, in]` by truncated LeCun initialisation: std `1 / sqrt(in)`.

    Source: LeCun et al., "Efficient BackProp" (1998), with the truncation of `truncated_normal`.

    Args:
        shape: `(out_features, in_features)`.
        dtype: Floating point type of the result.
        key: Random key; MLX's global random state when left out.

    Returns:
        Array `[out_features, in_features]`.

    Raises:
        HRMOpsError: If `shape` is not two positive sizes.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import lecun_normal
        >>> weight = lecun_normal((1000, 100), key=mx.random.key(0))
        >>> weight.shape, round(mx.std(weight).item(), 2)
        ((1000, 100), 0.1)
    """
    if len(shape) != 2 or min(shape) < 1:
        raise HRMOpsError(f"[lecun_normal] shape must be two positive sizes (out, in), but is {tuple(shape)}.")
    return truncated_normal(shape, std=1 / math.sqrt(shape[1]), dtype=dtype, key=key)
