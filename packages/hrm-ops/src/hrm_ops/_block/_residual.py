"""Layers with their residual and the norm after it, in one operation where our own CPU kernels have it."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._attention._layer import Attention
from hrm_ops._block._means import GroupMeans, PlaneMean
from hrm_ops._layers import Linear
from hrm_ops._norm import RMSNorm
from hrm_ops._rope import rope_tables
from hrm_ops._swiglu import SwiGLU
from hrm_ops.linux import _kernels
from hrm_ops.linux.native import _sums
from hrm_ops.linux.native._build import native


def post_norm(
    norm: nn.Module, layers: nn.Module | Sequence[nn.Module], x: mx.array, *, first: int | None = None, **options: Any
) -> mx.array:
    """Return `norm(x + layer(x))`, as in a block with the norm last (Xiong et al., arXiv 2002.04745, figure 1a).

    On MLX's Linux CPU backend, in float32 and with a norm that has no gain, this is one operation for a `SwiGLU`, for
    an `Attention` without a mask, cache or grouped queries, and for `GroupMeans` with or without a `PlaneMean`.

    Args:
        norm: Such as `RMSNorm`.
        layers: Maps `[..., D]` to the same shape; or several, whose sum is added.
        x: `[..., D]`.
        first: How many positions are wanted of an `Attention`, which takes it; all when left out.
        options: What else the layers take.

    Returns:
        An array of the shape of `x`, or of its first positions.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import RMSNorm, SwiGLU, post_norm
        >>> post_norm(RMSNorm(64, weight=False), SwiGLU(64, expansion=4.0), mx.ones((2, 10, 64))).shape
        (2, 10, 64)
    """
    layers = [layers] if isinstance(layers, nn.Module) else list(layers)
    if _kernels.compiles() and _kernels.is_active(x) and x.size and type(norm) is RMSNorm and "weight" not in norm:
        fused = None
        match layers:
            case [SwiGLU() as unit] if x.shape[-1] == norm.dims == unit.dims and not options and first is None:
                fused = _with_unit(norm, unit, x)
            case [Attention() as layer] if x.shape[1:][1:] == (norm.dims,) == (layer.dims,):
                fused = _with_attention(norm, layer, x, x.shape[1] if first is None else first, **options)
            case [GroupMeans(), *_] if x.ndim == 4 and not options and first is None:
                fused = _with_means(norm, layers, x)
        if fused is not None:
            return fused
    if first is not None:
        options["first"] = first
    total = x[:, :first]
    for layer in layers:
        adds = isinstance(layer, Attention | SwiGLU)
        total = layer(x, residual=total, **options) if adds else total + layer(x, **options)
    return norm(total)


def _with_unit(norm: RMSNorm, layer: SwiGLU, x: mx.array) -> mx.array | None:
    if not _are_plain(layer.gate_up_proj, layer.down_proj) or (kernels := native()) is None:
        return None
    return _sums.gated_unit(kernels, x, layer.gate_up_proj.weight, layer.down_proj.weight, norm.eps)


def _with_attention(
    norm: RMSNorm, layer: Attention, x: mx.array, first: int, mask: Any = None, cache: Any = None, rope: Any = None
) -> mx.array | None:
    L, d = x.shape[1], layer.dims // layer.num_heads
    if mask is not None or cache is not None or layer.num_kv_heads != layer.num_heads:
        return None
    if layer.rope_traditional or not 0 < first <= L or (first < L and _sums.is_differentiated()):
        return None
    if rope is None and layer.rope_base is not None:
        rope = rope_tables(L, d, layer.rope_base, 0, layer.rope_scale)
    if rope is not None and any(table.shape != (L, d // 2) or table.dtype != mx.float32 for table in rope):
        return None
    if not _are_plain(layer.qkv_proj, layer.o_proj) or (kernels := native()) is None:
        return None
    weights = layer.qkv_proj.weight, layer.o_proj.weight
    return _sums.attention(kernels, x, *weights, rope, layer.num_heads, first, norm.eps)


def _with_means(norm: RMSNorm, layers: Sequence[Any], x: mx.array) -> mx.array | None:
    groups, *rest = layers
    projections = [*groups.projections, *(layer.projection for layer in rest)]
    if [type(layer) for layer in layers] not in ([GroupMeans], [GroupMeans, PlaneMean]) or not _are_plain(*projections):
        return None
    weights = [projection.weight for projection in projections]
    L, D = x.shape[2:]
    if groups._kinds.shape[1] != L or any(weight.shape != (D, D) for weight in weights) or norm.dims != D:
        return None
    return (
        None if (kernels := native()) is None else _sums.means(kernels, x, groups._kinds, weights, bool(rest), norm.eps)
    )


def _are_plain(*layers: nn.Module) -> bool:
    """Whether these are linear layers with a weight in float32 and nothing else."""
    return all(type(layer) is Linear and "bias" not in layer and layer.weight.dtype == mx.float32 for layer in layers)
