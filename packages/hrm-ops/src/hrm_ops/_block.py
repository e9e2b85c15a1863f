import mlx.core as mx
import mlx.nn as nn

from hrm_ops._attention import Attention
from hrm_ops._norm import rms_norm
from hrm_ops._swiglu import SwiGLU


class TransformerBlock(nn.Module):
    """Post-norm transformer block: ``x = rms(x + attention(x)); x = rms(x + swiglu(x))``.

    No biases and no learnable norm weight (HRM, arXiv 2506.21734, section 2, "network architecture").

    Args:
        dims: Width of the model.
        num_heads: Number of attention heads; divides ``dims``.
        expansion: Width of the feed-forward layer as a multiple of ``dims``, see ``swiglu_width``.
        eps: Added to the mean of squares in the norm.
    """

    def __init__(self, dims: int, num_heads: int, expansion: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.self_attn = Attention(dims, num_heads)
        self.mlp = SwiGLU(dims, expansion)

    def __call__(
        self, x: mx.array, rope: tuple[mx.array, mx.array] | None = None, first: int | None = None
    ) -> mx.array:
        """Transform all positions, or compute the ``first`` ones alone.

        Args:
            x: ``[B, L, dims]``.
            rope: Tables of ``rope_tables`` for ``L`` positions; None leaves positions out.
            first: How many positions are wanted; all when left out.

        Returns:
            ``[B, first, dims]``.
        """
        x = rms_norm(x[:, :first] + self.self_attn(x, rope, first), eps=self.eps)
        return rms_norm(x + self.mlp(x), eps=self.eps)
