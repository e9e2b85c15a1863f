"""The block of a model that knows the board: it mixes positions, then symbols, then applies a gated unit."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Attention, Linear, RMSNorm, SwiGLU

from hrm_model._config import HRMConfig
from hrm_model.blocks._groups import GroupMeans
from hrm_model.blocks._neighbours import Neighbours

Rope = tuple[mx.array, mx.array] | None


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
        B = x.shape[0]
        mixed = self.attn(rearrange(x, "b s l d -> (b l) s d"))
        return rearrange(mixed, "(b l) s d -> b s l d", b=B)


class BoardBlock(nn.Module):
    """Mixes positions within each symbol and symbols within each position, and applies a gated unit.

    `x = rms(x + positions(x)); x = rms(x + symbols(x)); x = rms(x + swiglu(x))`. A model that is not
    symbol-equivariant has one plane of positions and leaves out the second step. No weight depends on the number of
    symbols or positions.

    Source: with attention, the symbol-equivariant block of arXiv 2603.02193 ("Symbol-Equivariant Recurrent Reasoning
    Models"), which attends over positions, then over symbols.

    Args:
        config: The architecture, with a geometry.
    """

    def __init__(self, config: HRMConfig) -> None:
        super().__init__()
        D, geometry = config.hidden_size, config.geometry
        assert geometry is not None
        self._planes = config.planes
        self._takes_rope = config.mixer == "attention"
        self.positions: nn.Module
        self.symbols: nn.Module
        if config.mixer == "groups":
            self.positions = GroupMeans(geometry, config.seq_len, D)
        elif config.mixer == "neighbours":
            self.positions = Neighbours(geometry, D)
        else:
            self.positions = Attention(D, config.num_heads)
        if config.symbol_equivariant:
            attends = config.mixer == "attention"
            self.symbols = SymbolAttention(D, config.num_heads) if attends else SymbolMean(D)
        self.mlp = SwiGLU(D, config.expansion, config.swiglu_multiple)
        self.norm = RMSNorm(D, config.rms_norm_eps, weight=False)

    def __call__(self, x: mx.array, rope: Rope = None, first: int | None = None) -> mx.array:
        """Transform all positions of all planes, `[B, S * L, dims]`; return all, or only the `first` ones."""
        x = rearrange(x, "b (s l) d -> (b s) l d", s=self._planes)
        x = self.norm(x + (self.positions(x, rope) if self._takes_rope else self.positions(x)))
        x = rearrange(x, "(b s) l d -> b s l d", s=self._planes)
        if "symbols" in self:
            x = self.norm(x + self.symbols(x))
        x = rearrange(x, "b s l d -> b (s l) d")[:, :first]
        return self.norm(x + self.mlp(x))
