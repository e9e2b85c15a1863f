"""Mixes the symbols of each position: by their mean, or by attention between them."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Attention, Linear


class SymbolMean(nn.Module):
    """A linear map of the mean over symbols, the same for all symbols of a position.

    Args:
        dims: Width of the model.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.projection = Linear(dims, dims, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix symbols: `[B, S, L, dims] -> [B, 1, L, dims]`."""
        return self.projection(x.mean(axis=1, keepdims=True))


class SymbolAttention(nn.Module):
    """Attention between the symbols of each position.

    Args:
        dims: Width of the model.
        num_heads: Attention heads.
    """

    def __init__(self, dims: int, num_heads: int) -> None:
        super().__init__()
        self.attn = Attention(dims, num_heads)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix symbols: `[B, S, L, dims] -> [B, S, L, dims]`."""
        mixed = self.attn(rearrange(x, "b s l d -> (b l) s d"))
        return rearrange(mixed, "(b l) s d -> b s l d", b=x.shape[0])
