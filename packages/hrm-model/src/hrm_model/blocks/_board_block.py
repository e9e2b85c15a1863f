"""The block of a model that knows the board: it mixes positions, then symbols, then applies a gated unit."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Attention, RMSNorm, SwiGLU

from hrm_model._config import HRMConfig
from hrm_model.blocks._groups import GroupMeans
from hrm_model.blocks._neighbours import Neighbours
from hrm_model.blocks._symbols import SymbolAttention, SymbolMean

Rope = tuple[mx.array, mx.array] | None


class BoardBlock(nn.Module):
    """Mixes positions within each symbol and symbols within each position, and applies a gated unit.

    With attention `x = rms(x + positions(x)); x = rms(x + symbols(x)); x = rms(x + swiglu(x))`; with means and
    convolutions, which cost less than a norm, `x = rms(x + positions(x) + symbols(x)); x = rms(x + swiglu(x))`. A model
    that is not symbol-equivariant has one plane of positions and does not mix symbols. No weight depends on the number
    of symbols or positions.

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
        self._attends = config.mixer == "attention"
        self.positions: nn.Module
        self.symbols: nn.Module
        if config.mixer == "groups":
            self.positions = GroupMeans(geometry, config.seq_len, D)
        elif config.mixer == "neighbours":
            self.positions = Neighbours(geometry, D)
        else:
            self.positions = Attention(D, config.num_heads)
        if config.symbol_equivariant:
            self.symbols = SymbolAttention(D, config.num_heads) if self._attends else SymbolMean(D)
        self.mlp = SwiGLU(D, config.expansion, config.swiglu_multiple)
        self.norm = RMSNorm(D, config.rms_norm_eps, weight=False)

    def __call__(self, x: mx.array, *, rope: Rope = None, first: int | None = None) -> mx.array:
        """Transform all positions of all planes, `[B, S * L, dims]`; return all, or only the `first` ones."""
        x = rearrange(x, "b (s l) d -> b s l d", s=self._planes)
        if self._attends:
            x = self.norm(x + self._attend(x, rope))
            if "symbols" in self:
                x = self.norm(x + self.symbols(x))
        else:
            mixed = x + self.positions(x)
            x = self.norm(mixed + self.symbols(x) if "symbols" in self else mixed)
        x = rearrange(x, "b s l d -> b (s l) d")[:, :first]
        return self.norm(self.mlp(x, residual=x))

    def _attend(self, x: mx.array, rope: Rope) -> mx.array:
        mixed = self.positions(rearrange(x, "b s l d -> (b s) l d"), rope=rope)
        return rearrange(mixed, "(b s) l d -> b s l d", s=self._planes)
