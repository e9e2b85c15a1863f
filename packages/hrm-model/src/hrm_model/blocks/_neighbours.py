"""Mixes positions with their neighbours on the board."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange
from hrm_ops import lecun_normal

from hrm_model._geometry import GeometryConfig


class Neighbours(nn.Module):
    """A convolution over the 3x3 surroundings of each position; what lies beyond the board is zero.

    Recurrent networks of such layers learn small mazes and solve larger ones (Schwarzschild et al., "Can You Learn an
    Algorithm?", arXiv 2106.04537).

    Args:
        geometry: Gives the columns of the board.
        dims: Width of the model.
    """

    def __init__(self, geometry: GeometryConfig, dims: int) -> None:
        super().__init__()
        self._columns = geometry.columns
        self.conv = nn.Conv2d(dims, dims, kernel_size=3, padding=1, bias=False)
        self.conv.weight = lecun_normal((dims, 9 * dims)).reshape(dims, 3, 3, dims)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix positions: `[B, S, length, dims] -> [B, S, length, dims]`."""
        grid = rearrange(x, "b s (r c) d -> (b s) r c d", c=self._columns)
        mixed = mx.conv2d(grid, self.conv.weight.astype(x.dtype), padding=1)
        return rearrange(mixed, "(b s) r c d -> b s (r c) d", s=x.shape[1])
