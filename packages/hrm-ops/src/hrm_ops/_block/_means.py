"""Layers that mix by means: over groups of positions, and over planes."""

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._errors import HRMOpsError
from hrm_ops._layers import Linear


class GroupMeans(nn.Module):
    r"""Adds up, for each position, a linear map of the mean over each group that holds it.

    :math:`y_i = \sum_k W_k \, \mathrm{mean}_{j \sim_k i} \, x_j`, where :math:`j \sim_k i` are the positions in the
    same group of kind :math:`k`, `i` among them. There is one weight for each kind, so that boards of every size have
    the same weights.

    Source: message passing between the cells of a row, column and box as in the recurrent relational network
    (arXiv 1711.08028, section 3.2), with means over groups in place of one message for each pair.

    Args:
        kinds: For each kind of groups, such as rows and columns, the group of every position, numbered from 0.
        dims: Width of the model.

    Shape:
        `[..., L, dims] -> [..., L, dims]`

    Raises:
        HRMOpsError: If kinds have different lengths, or leave out a number.

    Example:
        The rows and columns of a 2x2 board:

        >>> import mlx.core as mx
        >>> from hrm_ops import GroupMeans
        >>> GroupMeans([[0, 0, 1, 1], [0, 1, 0, 1]], dims=8)(mx.ones((1, 4, 8))).shape
        (1, 4, 8)
    """

    def __init__(self, kinds: Sequence[Sequence[int]], dims: int) -> None:
        super().__init__()
        if not kinds or any(len(kind) != len(kinds[0]) or set(kind) != set(range(max(kind) + 1)) for kind in kinds):
            raise HRMOpsError("[GroupMeans] every kind must number the groups of all positions from 0.")
        self.projections = [Linear(dims, dims, bias=False) for _ in kinds]
        self._kinds = mx.array([list(kind) for kind in kinds]).astype(mx.float32)
        numbers = [mx.arange(max(kind) + 1)[:, None] for kind in kinds]
        members = [(kind == number).astype(mx.float32) for kind, number in zip(self._kinds, numbers, strict=True)]
        # [groups, L] each; what takes means, and what brings them back to the positions
        self._means = mx.concatenate([kind / kind.sum(axis=1, keepdims=True) for kind in members])
        self._spread = mx.concatenate(members).T
        self._cuts = [sum(len(kind) for kind in members[: i + 1]) for i in range(len(members) - 1)]
        mx.eval(self._means, self._spread, self._kinds)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix positions."""
        means = mx.split(self._means.astype(x.dtype) @ x, self._cuts, axis=-2)
        mapped = [projection(mean) for projection, mean in zip(self.projections, means, strict=True)]
        return self._spread.astype(x.dtype) @ mx.concatenate(mapped, axis=-2)


class PlaneMean(nn.Module):
    """A linear map of the mean over planes, such as those of symbols, the same for all planes.

    Args:
        dims: Width of the model.

    Shape:
        `[B, S, L, dims] -> [B, 1, L, dims]`

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import PlaneMean
        >>> PlaneMean(8)(mx.ones((2, 9, 81, 8))).shape
        (2, 1, 81, 8)
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.projection = Linear(dims, dims, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        """Mix planes."""
        return self.projection(x.mean(axis=1, keepdims=True))
