"""The keys and values of earlier positions, for generation token by token."""

from typing import Protocol

import mlx.core as mx

from hrm_ops._errors import HRMOpsError

_STEP = 256  # positions of room that are added at once


class Cache(Protocol):
    """What `Attention` asks of a cache; those of mlx-lm have it too.

    Attributes:
        offset: Number of positions so far, and so the position of the next token.
    """

    offset: int

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append keys and values `[B, Hkv, L, d]`, and return those of all positions `[B, Hkv, offset, d]`."""
        ...


class KVCache:
    """Keys and values of all positions so far, of one attention layer.

    Appending writes in place, into room for 256 positions at a time.

    Attributes:
        offset: Number of positions so far.

    Raises:
        HRMOpsError: If what is appended has another batch size, head count, head size or dtype than what is held.

    Example:
        >>> import mlx.core as mx
        >>> from hrm_ops import Attention, KVCache
        >>> layer, cache = Attention(64, num_heads=8, rope_base=10000.0), KVCache()
        >>> prompt = layer(mx.ones((1, 10, 64)), "causal", cache)
        >>> layer(mx.ones((1, 1, 64)), "causal", cache).shape, cache.offset
        ((1, 1, 64), 11)
    """

    def __init__(self) -> None:
        self.offset = 0
        self._held: list[mx.array] = []

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append keys and values `[B, Hkv, L, d]`, and return those of all positions `[B, Hkv, offset, d]`."""
        new = [keys, values]
        if not self._held:
            self._held = [mx.zeros((*a.shape[:2], 0, a.shape[3]), a.dtype) for a in new]
        for name, a, held in zip(("keys", "values"), new, self._held, strict=True):
            if (*a.shape[:2], a.shape[3], a.dtype) != (*held.shape[:2], held.shape[3], held.dtype):
                raise HRMOpsError(
                    f"[KVCache] {name} must be {held.dtype} {(*held.shape[:2], 'L', held.shape[3])}, like those "
                    f"before, but are {a.dtype} {a.shape}; use a new cache for another batch."
                )
        start, self.offset = self.offset, self.offset + keys.shape[2]
        missing = self.offset - self._held[0].shape[2]
        if missing > 0:
            room = -(-missing // _STEP) * _STEP
            self._held = [mx.pad(held, [(0, 0), (0, 0), (0, room), (0, 0)]) for held in self._held]
        for a, held in zip(new, self._held, strict=True):
            held[:, :, start : self.offset] = a
        keys, values = (held[:, :, : self.offset] for held in self._held)
        return keys, values
