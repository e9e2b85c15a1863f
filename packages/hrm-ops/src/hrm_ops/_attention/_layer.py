"""The attention layer: projections, rotary positions and attention."""

import mlx.core as mx
import mlx.nn as nn
from einops import rearrange

from hrm_ops._attention._attention import attention
from hrm_ops._attention._cache import Cache
from hrm_ops._attention._inputs import Mask
from hrm_ops._errors import HRMOpsError, check_floating
from hrm_ops._layers import Linear, plus_product, products
from hrm_ops._rope import apply_rope, rope_tables

Rope = tuple[mx.array, mx.array]


class Attention(nn.Module):
    """Multi-head self-attention with optional rotary positions, grouped queries and a cache for generation.

    It is called like the layers of `mlx.nn` and mlx-lm, `layer(x, mask, cache)`. Queries, keys and values come from one
    fused projection, in that order.

    Args:
        dims: Width of input and output.
        num_heads: Number of heads; divides `dims`.
        num_kv_heads: Heads of keys and values; divides `num_heads`, which it is when left out.
        bias: Whether the projections have a bias.
        rope_base: Base of rotary positions, see `rope`; None leaves positions out unless tables are given in the call.
        rope_traditional: Whether rotary pairs are neighbours, see `rope`.
        rope_scale: What rotary positions are multiplied by.

    Raises:
        HRMOpsError: If head counts do not fit, or the input is not floating point `[B, L, dims]`.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import Attention
        >>> layer = Attention(64, num_heads=8, num_kv_heads=2, rope_base=10000.0)
        >>> layer(mx.ones((2, 10, 64)), mask="causal").shape
        (2, 10, 64)
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        bias: bool = False,
        *,
        rope_base: float | None = None,
        rope_traditional: bool = False,
        rope_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if num_heads < 1 or dims % num_heads:
            raise HRMOpsError(f"[Attention] num_heads must divide dims {dims}, but is {num_heads}.")
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if num_kv_heads < 1 or num_heads % num_kv_heads:
            raise HRMOpsError(f"[Attention] num_kv_heads must divide num_heads {num_heads}, but is {num_kv_heads}.")
        if rope_base is not None and (dims // num_heads) % 2:
            raise HRMOpsError(
                f"[Attention] rotary positions need heads of even size, but dims / num_heads is {dims // num_heads}."
            )
        self.dims = dims
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads
        self.rope_base, self.rope_traditional, self.rope_scale = rope_base, rope_traditional, rope_scale
        self.qkv_proj = Linear(dims, dims + 2 * num_kv_heads * (dims // num_heads), bias=bias)
        self.o_proj = Linear(dims, dims, bias=bias)

    def _extra_repr(self) -> str:
        return (
            f"dims={self.dims}, num_heads={self.num_heads}, num_kv_heads={self.num_kv_heads}, "
            f"bias={'bias' in self.o_proj}, rope_base={self.rope_base}, rope_traditional={self.rope_traditional}, "
            f"rope_scale={self.rope_scale}"
        )

    def __call__(
        self,
        x: mx.array,
        mask: Mask = None,
        cache: Cache | None = None,
        *,
        rope: Rope | None = None,
        first: int | None = None,
        residual: mx.array | None = None,
    ) -> mx.array:
        """Attend from all positions, or from the `first` ones alone, to all positions that the mask allows.

        Args:
            x: `[B, L, dims]`.
            mask: None, `"causal"`, or an array that broadcasts to `[B, num_heads, L, N]`, see `attention`; `N` is `L`,
                and with a cache the number of all positions.
            cache: Earlier positions, such as a `KVCache`; takes the `L` new ones, which come after them.
            rope: Tables of `rope_tables` for the `L` positions, instead of those of `rope_base`.
            first: How many positions are wanted, from 1 on; all when left out.
            residual: What the result is added to, `[B, first, dims]`; nothing when left out.

        Returns:
            `[B, first, dims]`.
        """
        check_floating("Attention", "x", x)
        if x.ndim != 3 or x.shape[-1] != self.dims:
            raise HRMOpsError(f"[Attention] x must be [B, L, {self.dims}], but is {x.shape}.")
        if first is not None and not 0 < first <= x.shape[1]:
            raise HRMOpsError(f"[Attention] first must be one of the {x.shape[1]} positions of x, but is {first}.")
        width = self.dims // self.num_heads
        qk, v = products(self.qkv_proj, x, [self.dims + self.num_kv_heads * width])
        if rope is None and self.rope_base is not None:
            rope = rope_tables(x.shape[1], width, self.rope_base, 0 if cache is None else cache.offset, self.rope_scale)
        if rope is not None and mx.default_device().type != mx.DeviceType.cpu:  # queries and keys in one kernel
            heads = rearrange(qk, "b l (h d) -> b l h d", d=width)
            heads = apply_rope(heads, *rope, traditional=self.rope_traditional, layout="blhd")
            qk, rope = rearrange(heads, "b l h d -> b l (h d)"), None
        q, k = mx.split(qk, [self.dims], axis=-1)
        q = q[:, :first]
        if isinstance(mask, mx.array) and mask.ndim > 1:
            mask = mask[..., :first, :]
        q, k, v = (rearrange(a, "b l (h d) -> b h l d", d=width) for a in (q, k, v))
        if rope is not None:
            q, k = (
                apply_rope(a, *(table[..., : a.shape[2], :] for table in rope), traditional=self.rope_traditional)
                for a in (q, k)
            )
        if cache is not None:
            k, v = cache.update_and_fetch(k, v)
        if first is not None and isinstance(mask, str):  # causal: no wanted query sees a key after its own position
            seen = k.shape[2] - (x.shape[1] - first)
            k, v = k[:, :, :seen], v[:, :, :seen]
        mixed = rearrange(attention(q, k, v, mask=mask), "b h l d -> b l (h d)")
        return plus_product(residual, self.o_proj, mixed)
