"""Linear and embedding layers with float32 parameters that compute in the dtype of their input."""

import math
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._errors import HRMOpsError, check_array, check_floating
from hrm_ops._init import lecun_normal, truncated_normal
from hrm_ops.linux import _kernels


class Linear(nn.Linear):
    r"""Affine map with float32 parameters that computes in the dtype of its input.

    :math:`y = x W^\top + b`. The weight starts truncated LeCun normal, the bias zero.

    Args:
        input_dims: Size of the last axis of the input.
        output_dims: Size of the last axis of the output.
        bias: Whether there is a bias.

    Shape:
        `[..., input_dims] -> [..., output_dims]`

    Raises:
        HRMOpsError: If a size is less than 1, or the input is not floating point or of another width.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import Linear
        >>> y = Linear(8, 3)(mx.ones((2, 8), mx.bfloat16))
        >>> y.shape, y.dtype
        ((2, 3), mlx.core.bfloat16)
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        if input_dims < 1 or output_dims < 1:
            raise HRMOpsError(
                f"[Linear] input_dims and output_dims must be at least 1, but are {input_dims} and {output_dims}."
            )
        super().__init__(input_dims, output_dims, bias=bias)
        self.weight = lecun_normal((output_dims, input_dims))
        if bias:
            self.bias = mx.zeros((output_dims,))

    def __call__(self, x: mx.array) -> mx.array:
        check_floating("Linear", "x", x, axes=1)
        if x.shape[-1] != self.weight.shape[-1]:
            raise HRMOpsError(f"[Linear] the last axis of x must be {self.weight.shape[-1]}, but x is {x.shape}.")
        y = matmul_transposed(x, self.weight)
        return y + self.bias.astype(x.dtype) if "bias" in self else y

    def to_quantized(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Return a quantised layer that computes in the dtype of its input too; `mlx.nn.quantize` calls it."""
        if kwargs.pop("quantize_input", False):
            return super().to_quantized(*args, **kwargs, quantize_input=True)
        return _QuantizedLinear.from_linear(self, *args, **kwargs)


class _QuantizedLinear(nn.QuantizedLinear):
    def __call__(self, x: mx.array) -> mx.array:
        if mx.default_device().type != mx.DeviceType.cpu:
            return super().__call__(x).astype(x.dtype)
        how = {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}
        weight = mx.dequantize(self.weight, self.scales, self.get("biases"), **how)
        y = x @ weight.T.astype(x.dtype)  # BLAS: MLX's own quantised product is many times slower on a CPU
        return y + self.bias.astype(x.dtype) if "bias" in self else y


class Embedding(nn.Embedding):
    """Lookup table with float32 parameters that returns rows in a chosen dtype.

    Args:
        num_embeddings: Number of rows.
        dims: Width of a row.
        std: Standard deviation of the truncated normal that fills the table.
        dtype: Dtype of the rows that are returned.

    Shape:
        `[...]` integers `-> [..., dims]`

    Raises:
        HRMOpsError: If a size is less than 1, or what is looked up is not of an integer dtype.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import Embedding
        >>> rows = Embedding(11, 64, std=0.125, dtype=mx.bfloat16)(mx.array([[1, 2, 3]]))
        >>> rows.shape, rows.dtype
        ((1, 3, 64), mlx.core.bfloat16)
    """

    def __init__(self, num_embeddings: int, dims: int, std: float, dtype: mx.Dtype = mx.float32) -> None:
        if num_embeddings < 1 or dims < 1:
            raise HRMOpsError(
                f"[Embedding] num_embeddings and dims must be at least 1, but are {num_embeddings} and {dims}."
            )
        super().__init__(1, 1)  # so that no table is drawn which is not used
        self.weight = truncated_normal((num_embeddings, dims), std=std)
        self._dtype_name = str(dtype).removeprefix("mlx.core.")  # a name, because a dtype cannot be copied or pickled

    def _extra_repr(self) -> str:
        return f"{super()._extra_repr()}, dtype={self._dtype_name}"

    def __call__(self, x: mx.array) -> mx.array:
        check_indices("Embedding", x)
        return self.weight[x].astype(getattr(mx, self._dtype_name))

    def as_linear(self, x: mx.array) -> mx.array:
        """Multiply `[..., dims]` by the table, `-> [..., num_embeddings]`, in the dtype of `x`."""
        check_floating("Embedding", "x", x, axes=1)
        if x.shape[-1] != self.weight.shape[-1]:
            raise HRMOpsError(f"[Embedding] the last axis of x must be {self.weight.shape[-1]}, but x is {x.shape}.")
        return x @ self.weight.T.astype(x.dtype)

    def to_quantized(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Return a quantised table that gives rows in the same dtype; `mlx.nn.quantize` calls it."""
        layer = _QuantizedEmbedding.from_embedding(self, *args, **kwargs)
        layer._dtype_name = self._dtype_name
        return layer


class _QuantizedEmbedding(nn.QuantizedEmbedding):
    def __call__(self, x: mx.array) -> mx.array:
        check_indices("Embedding", x)
        return super().__call__(x).astype(getattr(mx, self._dtype_name))

    def as_linear(self, x: mx.array) -> mx.array:
        return super().as_linear(x).astype(x.dtype)


def matmul_transposed(x: mx.array, weight: mx.array) -> mx.array:
    """Multiply `[..., n]` by the transpose of a float32 `weight [m, n]`, `-> [..., m]` in the dtype of `x`."""
    if _kernels.is_active(x, weight) and x.ndim > 1:
        rows = math.prod(x.shape[:-1])
        return _kernels.linear(x.reshape(rows, x.shape[-1]), weight).reshape(*x.shape[:-1], len(weight))
    return x @ weight.T.astype(x.dtype)


def products(layer: nn.Module, x: mx.array, cuts: list[int]) -> list[mx.array]:
    """Return `mx.split(layer(x), cuts, axis=-1)`, on a GPU by a product for each part.

    A part that a gradient keeps is then an array of its own: a view would keep what all parts lie in.
    """
    if type(layer) is Linear and "bias" not in layer and _on_gpu():
        return [matmul_transposed(x, part) for part in mx.split(layer.weight, cuts)]
    return list(mx.split(layer(x), cuts, axis=-1))


def plus_product(residual: mx.array | None, layer: nn.Module, x: mx.array) -> mx.array:
    """Return `residual + layer(x)`, on a GPU in one product that rounds once; without a residual `layer(x)`."""
    if residual is not None and type(layer) is Linear and "bias" not in layer and _on_gpu():
        _check_residual(residual, (*x.shape[:-1], len(layer.weight)))
        rows, flat = residual.reshape(-1, residual.shape[-1]), x.reshape(-1, x.shape[-1])
        return mx.addmm(rows, flat, layer.weight.T.astype(x.dtype)).reshape(residual.shape)
    y: mx.array = layer(x)
    if residual is None:
        return y
    _check_residual(residual, y.shape)
    return residual + y


def _check_residual(residual: mx.array, shape: tuple[int, ...]) -> None:
    if residual.shape != shape:
        raise HRMOpsError(f"[hrm_ops] residual must be {shape}, but is {residual.shape}.")


def _on_gpu() -> bool:
    return mx.default_device().type != mx.DeviceType.cpu


def check_indices(function: str, x: mx.array) -> None:
    """Raise unless `x` holds integers."""
    check_array(function, "x", x)
    if not mx.issubdtype(x.dtype, mx.integer):
        raise HRMOpsError(f"[{function}] x must be of an integer dtype, but is {x.dtype}.")
