import mlx.core as mx
import mlx.nn as nn

from hrm_ops import _cpu
from hrm_ops._layers import Linear


def swiglu(gate: mx.array, up: mx.array) -> mx.array:
    r"""Return the gated unit :math:`\mathrm{silu}(gate) \cdot up`.

    Source: Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202), eq. 6.

    Args:
        gate: Array of any shape.
        up: Array of the same shape and dtype.

    Returns:
        Array of the same shape and dtype.
    """
    if _cpu.is_active(gate, up):
        return _cpu.swiglu(gate, up)
    return nn.silu(gate) * up


def swiglu_width(dims: int, expansion: float, multiple: int = 256) -> int:
    """Return the inner width of a SwiGLU: ``round(expansion * dims * 2 / 3)`` rounded up to ``multiple``.

    Args:
        dims: Width of the model.
        expansion: Width of the ungated layer that it replaces, as a multiple of ``dims``.
        multiple: What the width is rounded up to.
    """
    return -(-round(expansion * dims * 2 / 3) // multiple) * multiple


class SwiGLU(nn.Module):
    r"""Feed-forward layer :math:`W_{down}(\mathrm{silu}(W_{gate} x) \cdot W_{up} x)` without biases.

    The gate and up projections are stored as one weight, the gate's rows first.

    Args:
        dims: Width of input and output.
        expansion: See :func:`swiglu_width`.

    Shape:
        ``[..., dims] -> [..., dims]``
    """

    def __init__(self, dims: int, expansion: float) -> None:
        super().__init__()
        inner = swiglu_width(dims, expansion)
        self.gate_up_proj = Linear(dims, 2 * inner, bias=False)
        self.down_proj = Linear(inner, dims, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        if _cpu.is_active(x):  # two products give contiguous halves, which its kernels need
            w_gate, w_up = mx.split(self.gate_up_proj.weight, 2)
            gate, up = x @ w_gate.T, x @ w_up.T
        else:
            gate, up = mx.split(self.gate_up_proj(x), 2, axis=-1)
        return self.down_proj(swiglu(gate, up))
