"""The block of a model that knows the board: it mixes positions, then symbols, then applies a gated unit."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import Attention, GroupMeans, PlaneMean, RMSNorm, SwiGLU, post_norm

from hrm_model._config import HRMConfig
from hrm_model.blocks._neighbours import Neighbours
from hrm_model.blocks._symbols import SymbolAttention

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
            self.positions = GroupMeans(geometry.groups_of(config.seq_len), D)
        elif config.mixer == "neighbours":
            self.positions = Neighbours(geometry, D)
        else:
            self.positions = Attention(D, config.num_heads)
        if config.symbol_equivariant:
            self.symbols = SymbolAttention(D, config.num_heads) if self._attends else PlaneMean(D)
        self.mlp = SwiGLU(D, config.expansion, config.swiglu_multiple)
        self.norm = RMSNorm(D, config.rms_norm_eps, weight=False)

    def __call__(self, x: mx.array, *, rope: Rope = None, first: int | None = None) -> mx.array:
        """Transform all positions of all planes, `[B, S * L, dims]`; return all, or only the `first` ones."""
        x = rearrange(x, "b (s l) d -> b s l d", s=self._planes)
        if self._attends:
            x = rearrange(x, "b s l d -> (b s) l d")
            x = rearrange(post_norm(self.norm, self.positions, x, rope=rope), "(b s) l d -> b s l d", s=self._planes)
            if "symbols" in self:
                x = self.symbols(x, self.norm)
        else:
            x = post_norm(self.norm, [self.positions, self.symbols] if "symbols" in self else self.positions, x)
        x = rearrange(x, "b s l d -> b (s l) d")[:, :first]
        return post_norm(self.norm, self.mlp, x)
