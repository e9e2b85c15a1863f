"""Mixes positions by means over the groups in which they stand: rows, columns and those that the task declares."""

import mlx.core as mx
import mlx.nn as nn
from hrm_ops import Linear

from hrm_model._geometry import GeometryConfig


class GroupMeans(nn.Module):
    r"""Adds up, for each position, a linear map of the mean over each group that holds it.

    :math:`y_i = \sum_k W_k \, \mathrm{mean}_{j \sim_k i} \, x_j`, where :math:`j \sim_k i` are the positions in the
    same group of kind :math:`k`, `i` among them. There is one weight for each kind, so that boards of every size have
    the same weights.

    Source: message passing between the cells of a row, column and box as in the recurrent relational network
    (arXiv 1711.08028, section 3.2), with means over groups in place of one message for each pair.

    Args:
        geometry: Gives the groups.
        length: Number of positions.
        dims: Width of the model.
    """

    def __init__(self, geometry: GeometryConfig, length: int, dims: int) -> None:
        super().__init__()
        kinds = geometry.groups_of(length)
        self.projections = [Linear(dims, dims, bias=False) for _ in kinds]
        members = [(mx.array(kind)[None] == mx.arange(max(kind) + 1)[:, None]).astype(mx.float32) for kind in kinds]
        # [groups, length] each; what takes means, and what brings them back to the positions
        self._means = mx.concatenate([kind / kind.sum(axis=1, keepdims=True) for kind in members])
        self._spread = mx.concatenate(members).T
        self._cuts = [sum(len(kind) for kind in members[: i + 1]) for i in range(len(members) - 1)]
        mx.eval(self._means, self._spread)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix positions: `[B, S, length, dims] -> [B, S, length, dims]`."""
        means = mx.split(self._means.astype(x.dtype) @ x, self._cuts, axis=2)
        mapped = [projection(mean) for projection, mean in zip(self.projections, means, strict=True)]
        return self._spread.astype(x.dtype) @ mx.concatenate(mapped, axis=2)
