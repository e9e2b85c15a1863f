import mlx.core as mx
import mlx.nn as nn
from hrm_ops import RMSNorm, SwiGLU


class MixerBlock(nn.Module):
    """Block that mixes positions by a gated unit over them in the place of attention.

    ``x = rms(x' + swiglu(x'))'`` with ``'`` for transposing positions and width, its norm over positions;
    ``x = rms(x + swiglu(x))``. It is for few positions: its weights grow with their square.

    Source: Tiny Recursive Model, arXiv 2510.04871, section "attention-free architecture".

    Args:
        length: Number of positions.
        dims: Width of the model.
        expansion: Width of both inner layers, see ``hrm_ops.swiglu_width``.
        eps: Added to the mean of squares in the norm.
    """

    def __init__(self, length: int, dims: int, expansion: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm_t = RMSNorm(length, eps, weight=False)
        self.norm = RMSNorm(dims, eps, weight=False)
        self.mlp_t = SwiGLU(length, expansion)
        self.mlp = SwiGLU(dims, expansion)

    def __call__(self, x: mx.array, rope: None = None, first: int | None = None) -> mx.array:
        """Transform all positions, and give all or the ``first`` ones: ``[B, length, dims] -> [B, first, dims]``."""
        over_positions = x.swapaxes(1, 2)
        mixed = self.norm_t(over_positions + self.mlp_t(over_positions))
        x = mixed.swapaxes(1, 2)[:, :first]
        return self.norm(x + self.mlp(x))
