"""Root mean square normalisation."""

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._errors import HRMOpsError, check_array, check_floating
from hrm_ops.linux import _kernels


def rms_norm(x: mx.array, weight: mx.array | None = None, eps: float = 1e-5) -> mx.array:
    r"""Scale the last axis to unit root mean square: :math:`x / \sqrt{\mathrm{mean}(x^2) + \epsilon}`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (arXiv 1910.07467), eq. 4.

    Args:
        x: Array `[..., D]`. Half precisions are accumulated in float32.
        weight: Optional gain `[D]`.
        eps: Added to the mean of squares, at least 0.

    Returns:
        Array of the shape and dtype of `x`.

    Raises:
        HRMOpsError: If `x` is not floating point, `weight` is not `[D]` or `eps` is negative.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import rms_norm
        >>> [round(y, 3) for y in rms_norm(mx.array([3.0, 4.0])).tolist()]
        [0.849, 1.131]
    """
    check_floating("rms_norm", "x", x, axes=1)
    if eps < 0:
        raise HRMOpsError(f"[rms_norm] eps must be at least 0, but is {eps}.")
    if weight is not None:
        check_array("rms_norm", "weight", weight)
    if weight is not None and weight.shape != x.shape[-1:]:
        raise HRMOpsError(f"[rms_norm] weight must be {x.shape[-1:]} for x {x.shape}, but is {weight.shape}.")
    return mx.fast.rms_norm(x, None if weight is None else weight.astype(x.dtype), eps)


class RMSNorm(nn.Module):
    r"""Root mean square norm :math:`x / \sqrt{\mathrm{mean}(x^2) + \epsilon} \cdot \gamma`, see `rms_norm`.

    On MLX's Linux CPU backend many elements are normed by a kernel of its own, which is faster than
    `rms_norm`, above all forward under `mx.compile`.

    Args:
        dims: Size of the last axis.
        eps: Added to the mean of squares.
        weight: Whether there is a learned gain, float32, which starts at one.

    Shape:
        `[..., dims] -> [..., dims]` in the dtype of the input.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import RMSNorm
        >>> RMSNorm(64)(mx.ones((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(self, dims: int, eps: float = 1e-5, weight: bool = True) -> None:
        super().__init__()
        if dims < 1:
            raise HRMOpsError(f"[RMSNorm] dims must be at least 1, but is {dims}.")
        self.dims = dims
        self.eps = eps
        if weight:
            self.weight = mx.ones((dims,))

    def _extra_repr(self) -> str:
        return f"{self.dims}, eps={self.eps}, weight={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        check_floating("RMSNorm", "x", x)
        if x.shape[-1:] != (self.dims,):
            raise HRMOpsError(f"[RMSNorm] the last axis of x must be {self.dims}, but x is {x.shape}.")
        weight = self.weight if "weight" in self else None
        if self.dims >= _kernels.LONG and x.size >= _kernels.FEW_TO_NORM and _kernels.is_active(x):
            y = _kernels.rms_norm(x, self.eps)
            return y if weight is None else y * weight.astype(x.dtype)
        return rms_norm(x, weight, self.eps)
