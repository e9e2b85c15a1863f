import mlx.core as mx

from hrm_ops._errors import HRMOpsError, check_floating
from hrm_ops.linux import _kernels


def arctan2(y: mx.array, x: mx.array) -> mx.array:
    """Return the angle of points ``(x, y)`` with ``x >= 0``: between -pi/2 and pi/2, and 0 at the origin.

    On MLX's Linux CPU backend a polynomial with a relative error below 3e-7, several times as fast as
    ``mx.arctan2`` inside ``mx.compile``; ``mx.arctan2`` everywhere else. It has no gradient there.

    Args:
        y: Array of any shape.
        x: Array of the same shape and dtype, nowhere negative.

    Returns:
        Radians, an array of the same shape and dtype.

    Raises:
        HRMOpsError: If shapes or dtypes differ or are not floating point.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import arctan2
        >>> [round(angle, 4) for angle in arctan2(mx.array([0.0, 1.0, -2.0]), mx.array([0.0, 1.0, 0.0])).tolist()]
        [0.0, 0.7854, -1.5708]
    """
    check_floating("arctan2", "y", y)
    if x.shape != y.shape or x.dtype != y.dtype:
        raise HRMOpsError(
            f"[arctan2] x must have the shape and dtype of y, {y.shape} {y.dtype}, but is {x.shape} {x.dtype}."
        )
    if _kernels.is_active(y) and y.size >= _kernels.FEW:
        return _kernels.arctan2(y, x)
    return mx.arctan2(y, x)
