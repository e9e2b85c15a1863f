"""One transformer block: attention and a gated unit with norms."""

from typing import Literal

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._attention._cache import Cache
from hrm_ops._attention._inputs import Mask
from hrm_ops._attention._layer import Attention, Rope
from hrm_ops._block._residual import post_norm
from hrm_ops._errors import HRMOpsError, check_floating
from hrm_ops._norm import RMSNorm
from hrm_ops._swiglu import SwiGLU


class TransformerBlock(nn.Module):
    """Attention and a gated feed-forward layer, each with a residual and a norm after or before it.

    Post-norm: `x = rms(x + attention(x)); x = rms(x + swiglu(x))`, as in HRM (arXiv 2506.21734, section 2,
    "network architecture"). Pre-norm: `x = x + attention(rms(x)); x = x + swiglu(rms(x))`. No biases.

    Args:
        dims: Width of the model.
        num_heads: Number of attention heads; divides `dims`.
        expansion: Width of the feed-forward layer as a multiple of `dims`, see `swiglu_width`.
        eps: Added to the mean of squares in the norm.
        norm: `"post"` or `"pre"`.
        norm_weight: Whether the norms have a learned gain.
        num_kv_heads: See `Attention`.
        rope_base: See `Attention`.
        swiglu_multiple: What the width of the feed-forward layer is rounded up to, see `swiglu_width`.

    Raises:
        HRMOpsError: If `norm` is another word, head counts do not fit, or the input is not `[B, L, dims]`.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import TransformerBlock
        >>> block = TransformerBlock(64, num_heads=4, expansion=4.0, norm="pre", rope_base=10000.0)
        >>> block(mx.ones((2, 10, 64)), mask="causal").shape
        (2, 10, 64)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        expansion: float,
        eps: float = 1e-5,
        norm: Literal["post", "pre"] = "post",
        norm_weight: bool = False,
        num_kv_heads: int | None = None,
        rope_base: float | None = None,
        swiglu_multiple: int = 256,
    ) -> None:
        super().__init__()
        if norm not in ("post", "pre"):
            raise HRMOpsError(f"[TransformerBlock] norm must be 'post' or 'pre', but is {norm!r}.")
        self.norm = norm
        self.self_attn = Attention(dims, num_heads, num_kv_heads, rope_base=rope_base)
        self.mlp = SwiGLU(dims, expansion, swiglu_multiple)
        self.attn_norm = RMSNorm(dims, eps, norm_weight)
        self.mlp_norm = RMSNorm(dims, eps, norm_weight)

    def _extra_repr(self) -> str:
        return f"norm={self.norm}"

    def __call__(
        self,
        x: mx.array,
        mask: Mask = None,
        cache: Cache | None = None,
        *,
        rope: Rope | None = None,
        first: int | None = None,
    ) -> mx.array:
        """Transform all positions, or compute the `first` ones alone.

        Args:
            x: `[B, L, dims]`.
            mask: See `Attention`.
            cache: See `Attention`.
            rope: See `Attention`.
            first: How many positions are wanted; all when left out.

        Returns:
            `[B, first, dims]`.
        """
        check_floating("TransformerBlock", "x", x)
        if x.ndim != 3 or x.shape[-1] != self.self_attn.dims:
            raise HRMOpsError(f"[TransformerBlock] x must be [B, L, {self.self_attn.dims}], but is {x.shape}.")
        if self.norm == "pre":
            x = self.self_attn(self.attn_norm(x), mask, cache, rope=rope, first=first, residual=x[:, :first])
            return self.mlp(self.mlp_norm(x), residual=x)
        x = post_norm(self.attn_norm, self.self_attn, x, first=first, mask=mask, cache=cache, rope=rope)
        return post_norm(self.mlp_norm, self.mlp, x)
