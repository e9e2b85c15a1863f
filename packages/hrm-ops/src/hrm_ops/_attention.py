import mlx.core as mx
import mlx.nn as nn
from einops import rearrange

from hrm_ops import _cpu
from hrm_ops._errors import HRMOpsError
from hrm_ops._layers import Linear
from hrm_ops._rope import apply_rope


def attention(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    r"""Return full (not causal) attention :math:`\mathrm{softmax}(q k^\top / \sqrt{d}) v`.

    Source: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), eq. 1.

    Args:
        q: Queries ``[B, H, L, d]``.
        k: Keys ``[B, H, S, d]``.
        v: Values ``[B, H, S, d]``.

    Returns:
        Array ``[B, H, L, d]`` in the dtype of ``q``.
    """
    if _cpu.is_active(q, k, v):
        return _cpu.softmax((q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)) @ v
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5)


class Attention(nn.Module):
    """Multi-head self-attention without biases, full rather than causal, with optional rotary positions.

    Queries, keys and values come from one fused projection, in that order.

    Args:
        dims: Width of input and output.
        num_heads: Number of heads; divides ``dims``.

    Raises:
        HRMOpsError: If ``num_heads`` does not divide ``dims``.
    """

    def __init__(self, dims: int, num_heads: int) -> None:
        super().__init__()
        if dims % num_heads:
            raise HRMOpsError(f"[Attention] num_heads must divide dims {dims}, but is {num_heads}.")
        self.num_heads = num_heads
        self.qkv_proj = Linear(dims, 3 * dims, bias=False)
        self.o_proj = Linear(dims, dims, bias=False)

    def __call__(
        self, x: mx.array, rope: tuple[mx.array, mx.array] | None = None, first: int | None = None
    ) -> mx.array:
        """Attend from all positions, or from the ``first`` ones alone, to all positions.

        Args:
            x: ``[B, L, dims]``.
            rope: Tables of ``rope_tables`` for ``L`` positions; None leaves positions out.
            first: How many positions are wanted; all when left out.

        Returns:
            ``[B, first, dims]``.
        """
        q, k, v = mx.split(self.qkv_proj(x), 3, axis=-1)
        q, k, v = (rearrange(a, "b l (h d) -> b h l d", h=self.num_heads) for a in (q[:, :first], k, v))
        if rope is not None:
            cos, sin = rope
            q, k = apply_rope(q, cos[:first], sin[:first]), apply_rope(k, cos, sin)
        return self.o_proj(rearrange(attention(q, k, v), "b h l d -> b l (h d)"))
