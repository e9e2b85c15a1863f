"""Mixes the symbols of each position by attention between them."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Attention, RMSNorm, post_norm


class SymbolAttention(nn.Module):
    """Attention between the symbols of each position, with its residual and norm.

    Args:
        dims: Width of the model.
        num_heads: Attention heads.
    """

    def __init__(self, dims: int, num_heads: int) -> None:
        super().__init__()
        self.attn = Attention(dims, num_heads)

    def __call__(self, x: mx.array, norm: RMSNorm) -> mx.array:
        """Return `norm(x + attention(x))`: `[B, S, L, dims] -> [B, S, L, dims]`."""
        mixed = post_norm(norm, self.attn, rearrange(x, "b s l d -> (b l) s d"))
        return rearrange(mixed, "(b l) s d -> b s l d", b=x.shape[0])
