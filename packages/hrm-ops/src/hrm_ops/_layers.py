import mlx.core as mx
import mlx.nn as nn

from hrm_ops._errors import HRMOpsError
from hrm_ops._init import lecun_normal, truncated_normal


class Linear(nn.Linear):
    r"""Affine map with float32 parameters that computes in the dtype of its input.

    :math:`y = x W^\top + b`. The weight starts truncated LeCun normal, the bias zero.

    Args:
        input_dims: Size of the last axis of the input.
        output_dims: Size of the last axis of the output.
        bias: Whether there is a bias.

    Shape:
        ``[..., input_dims] -> [..., output_dims]``
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__(input_dims, output_dims, bias=bias)
        self.weight = lecun_normal((output_dims, input_dims))
        if bias:
            self.bias = mx.zeros((output_dims,))

    def __call__(self, x: mx.array) -> mx.array:
        if x.shape[-1] != self.weight.shape[-1]:
            raise HRMOpsError(f"[Linear] the last axis of x must be {self.weight.shape[-1]}, but x is {x.shape}.")
        y = x @ self.weight.T.astype(x.dtype)
        return y + self.bias.astype(x.dtype) if "bias" in self else y


class Embedding(nn.Embedding):
    """Lookup table with float32 parameters that returns rows in a chosen dtype.

    Args:
        num_embeddings: Number of rows.
        dims: Width of a row.
        std: Standard deviation of the truncated normal that fills the table.
        dtype: Dtype of the rows that are returned.

    Shape:
        ``[...] -> [..., dims]``
    """

    def __init__(self, num_embeddings: int, dims: int, std: float, dtype: mx.Dtype = mx.float32) -> None:
        super().__init__(num_embeddings, dims)
        self.weight = truncated_normal((num_embeddings, dims), std=std)
        self._dtype = dtype

    def __call__(self, x: mx.array) -> mx.array:
        return self.weight[x].astype(self._dtype)
