"""SwiGLU, the gated unit of the feed-forward layer."""

from typing import Any

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._errors import HRMOpsError, check_array, check_floating
from hrm_ops._layers import Linear, matmul_transposed, plus_product
from hrm_ops.linux import _kernels

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    r"""Return the gated unit :math:`\mathrm{silu}(gate) \cdot up`.

    Source: Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202), eq. 6.

    Args:
        gate: Array of any shape.
        up: Array of the same shape and dtype.

    Returns:
        Array of the same shape and dtype.

    Raises:
        HRMOpsError: If shapes or dtypes differ or are not floating point.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import swiglu
        >>> swiglu(mx.array([0.0, 30.0]), mx.array([5.0, 2.0])).tolist()
        [0.0, 60.0]
    """
    check_floating("swiglu", "gate", gate)
    check_array("swiglu", "up", up)
    if up.shape != gate.shape:
        raise HRMOpsError(f"[swiglu] up must have the shape of gate, {gate.shape}, but is {up.shape}.")
    if up.dtype != gate.dtype:
        raise HRMOpsError(f"[swiglu] up must have the dtype of gate, {gate.dtype}, but is {up.dtype}.")
    if _kernels.serves_units(gate):
        return _kernels.swiglu(gate.astype(mx.float32), up.astype(mx.float32)).astype(gate.dtype)
    silu = nn.silu(gate) if _kernels.compiles() else gate * mx.sigmoid(gate)  # nn.silu is a compiled function
    return silu * up


def swiglu_width(dims: int, expansion: float, multiple: int = 256) -> int:
    """Return the inner width of a SwiGLU: `round(expansion * dims * 2 / 3)` rounded up to `multiple`.

    Args:
        dims: Width of the model.
        expansion: Width of the ungated layer that it replaces, as a multiple of `dims`.
        multiple: What the width is rounded up to.

    Raises:
        HRMOpsError: If an argument is not positive.

    Example:
        >>> from hrm_ops import swiglu_width
        >>> swiglu_width(512, 4)
        1536
    """
    if dims < 1 or expansion <= 0 or multiple < 1:
        raise HRMOpsError(
            f"[swiglu_width] dims, expansion and multiple must be positive, but are {dims}, {expansion} and {multiple}."
        )
    return -(-round(expansion * dims * 2 / 3) // multiple) * multiple


@_custom_function
def gated_halves(x: mx.array) -> mx.array:
    """Return `silu(gate) * up` for `x = [gate, up]` along the last axis, computed in float32.

    The gradient keeps nothing but `x`, and is one fused kernel as well.
    """
    gate, up = (half.astype(mx.float32) for half in mx.split(x, 2, axis=-1))
    return (gate * mx.sigmoid(gate) * up).astype(x.dtype)


@gated_halves.vjp
def _gated_halves_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    halves = mx.unflatten(x, -1, (2, -1))
    gate, up = (halves[..., i : i + 1, :].astype(mx.float32) for i in range(2))
    sigmoid = mx.sigmoid(gate)
    silu = gate * sigmoid
    of_gate = mx.array([[True], [False]])
    slope = mx.where(of_gate, up * (sigmoid + silu * (1 - sigmoid)), silu)
    return mx.flatten((cotangent[..., None, :].astype(mx.float32) * slope).astype(x.dtype), -2)


class SwiGLU(nn.Module):
    r"""Feed-forward layer :math:`W_{down}(\mathrm{silu}(W_{gate} x) \cdot W_{up} x)` without biases.

    The gate and up projections are stored as one weight, the gate's rows first.

    Args:
        dims: Width of input and output.
        expansion: See `swiglu_width`.
        multiple: See `swiglu_width`.

    Shape:
        `[..., dims] -> [..., dims]`

    Raises:
        HRMOpsError: If the input is not floating point or of another width.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import SwiGLU
        >>> SwiGLU(64, expansion=4.0)(mx.ones((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(self, dims: int, expansion: float, multiple: int = 256) -> None:
        super().__init__()
        self.dims = dims
        inner = swiglu_width(dims, expansion, multiple)
        self.gate_up_proj = Linear(dims, 2 * inner, bias=False)
        self.down_proj = Linear(inner, dims, bias=False)

    def _extra_repr(self) -> str:
        return f"dims={self.dims}"

    def __call__(self, x: mx.array, residual: mx.array | None = None) -> mx.array:
        """Transform the last axis, and add the result to `residual`, an array of the same shape, if that is given."""
        check_floating("SwiGLU", "x", x, axes=1)
        if x.shape[-1] != self.dims:
            raise HRMOpsError(f"[SwiGLU] the last axis of x must be {self.dims}, but x is {x.shape}.")
        if (
            _kernels.is_active(x) and type(self.gate_up_proj) is Linear
        ):  # two products give contiguous halves, which its kernels need
            w_gate, w_up = mx.split(self.gate_up_proj.weight, 2)
            gate, up = matmul_transposed(x, w_gate), matmul_transposed(x, w_up)
        elif mx.default_device().type != mx.DeviceType.cpu:
            return plus_product(residual, self.down_proj, gated_halves(self.gate_up_proj(x)))
        else:
            gate, up = mx.split(self.gate_up_proj(x), 2, axis=-1)
        return plus_product(residual, self.down_proj, swiglu(gate, up))
