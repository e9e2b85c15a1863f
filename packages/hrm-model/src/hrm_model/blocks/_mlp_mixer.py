"""The block that mixes positions with a gated unit instead of attention."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import RMSNorm, SwiGLU


class MixerBlock(nn.Module):
    """Block that mixes positions with a gated unit over them instead of attention.

    `x = rms(x' + swiglu(x'))'`, where `'` transposes positions and width and the norm is over positions;
    then `x = rms(x + swiglu(x))`. It suits short sequences: its weights grow with the square of the length.

    Source: Tiny Recursive Model, arXiv 2510.04871, section "attention-free architecture".

    Args:
        length: Number of positions.
        dims: Width of the model.
        expansion: Width of both inner layers, see `hrm_ops.swiglu_width`.
        eps: Added to the mean of squares in the norm.
        multiple: What both inner widths are rounded up to.
    """

    def __init__(self, length: int, dims: int, expansion: float, eps: float = 1e-5, multiple: int = 256) -> None:
        super().__init__()
        self.norm_t = RMSNorm(length, eps, weight=False)
        self.norm = RMSNorm(dims, eps, weight=False)
        self.mlp_t = SwiGLU(length, expansion, multiple)
        self.mlp = SwiGLU(dims, expansion, multiple)

    def __call__(self, x: mx.array, *, rope: None = None, first: int | None = None) -> mx.array:
        """Transform all positions and return all, or only the `first` ones: `[B, length, dims] -> [B, first, dims]`."""
        over_positions = rearrange(x, "b l d -> b d l")
        mixed = self.norm_t(self.mlp_t(over_positions, residual=over_positions))
        x = rearrange(mixed, "b d l -> b l d")[:, :first]
        return self.norm(self.mlp(x, residual=x))
