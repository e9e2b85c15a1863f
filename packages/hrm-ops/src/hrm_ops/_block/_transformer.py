"""A minimal transformer made of the modules of this package, as an example of their use."""

import math
from collections.abc import Sequence
from typing import Literal

import mlx.core as mx
import mlx.nn as nn

from hrm_ops._attention._cache import Cache, KVCache
from hrm_ops._attention._inputs import Mask
from hrm_ops._block._block import TransformerBlock
from hrm_ops._errors import HRMOpsError
from hrm_ops._layers import Embedding, Linear, check_indices
from hrm_ops._norm import RMSNorm


class MinimalTransformer(nn.Module):
    """A language model of a few lines that shows how the parts fit: embedding, blocks, norm, output.

    Args:
        vocab_size: Number of tokens.
        dims: Width of the model.
        num_heads: Attention heads in a block; divides `dims`.
        num_layers: Number of blocks.
        expansion: Width of the feed-forward layers as a multiple of `dims`, see `swiglu_width`.
        norm: Where the norms of a block stand.
        rope_base: Base of the rotary positions.
        dtype: Dtype in which the layers compute; parameters are float32.

    Raises:
        HRMOpsError: If a count does not fit, or tokens are not integers `[B, L]`.

    Example:
        One step of training on the next token, then a file:

        >>> import mlx.core as mx, mlx.nn as nn, mlx.optimizers as optim
        >>> from hrm_ops import MinimalTransformer
        >>> model, optimizer = MinimalTransformer(11, dims=32, num_heads=4, num_layers=2), optim.Adam(1e-3)
        >>> tokens = mx.random.randint(0, 11, (4, 9))
        >>> def loss(model, tokens):
        ...     return nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:], reduction="mean")
        >>> value, gradients = nn.value_and_grad(model, loss)(model, tokens)
        >>> optimizer.update(model, gradients)
        >>> loss(model, tokens).item() < value.item()
        True

        Generation, with the keys and values of earlier tokens kept:

        >>> cache, written = model.make_cache(), tokens[:1, :4]
        >>> for _ in range(3):
        ...     next_token = model(written[:, cache[0].offset :], cache=cache)[:, -1:].argmax(axis=-1)
        ...     written = mx.concatenate([written, next_token], axis=1)
        >>> written.shape
        (1, 7)
    """

    def __init__(
        self,
        vocab_size: int,
        dims: int,
        num_heads: int,
        num_layers: int,
        expansion: float = 4.0,
        norm: Literal["post", "pre"] = "pre",
        rope_base: float = 10000.0,
        dtype: mx.Dtype = mx.float32,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise HRMOpsError(f"[MinimalTransformer] num_layers must be at least 1, but is {num_layers}.")
        self.embed_tokens = Embedding(vocab_size, dims, std=1 / math.sqrt(dims), dtype=dtype)
        self.layers = [
            TransformerBlock(dims, num_heads, expansion, norm=norm, norm_weight=True, rope_base=rope_base)
            for _ in range(num_layers)
        ]
        self.final_norm = RMSNorm(dims)
        self.lm_head = Linear(dims, vocab_size, bias=False)

    def make_cache(self) -> list[KVCache]:
        """Return an empty cache for each layer."""
        return [KVCache() for _ in self.layers]

    def __call__(self, tokens: mx.array, mask: Mask = "causal", cache: Sequence[Cache] | None = None) -> mx.array:
        """Return the logits of the token after each: `[B, L]` integers `-> [B, L, vocab_size]`.

        Args:
            tokens: `[B, L]`; with a cache, those after the ones that it holds.
            mask: Which positions a position sees, see `attention`.
            cache: Earlier positions, from `make_cache`; takes the new ones.
        """
        check_indices("MinimalTransformer", tokens)
        if tokens.ndim != 2:
            raise HRMOpsError(f"[MinimalTransformer] tokens must be [B, L], but are {tokens.shape}.")
        x = self.embed_tokens(tokens)
        caches: Sequence[Cache | None] = cache or [None] * len(self.layers)
        for layer, own in zip(self.layers, caches, strict=True):
            x = layer(x, mask, own)
        return self.lm_head(self.final_norm(x))
