"""The two ends of a symbol-equivariant model: from tokens to one vector for each symbol, and back to logits."""

import mlx.core as mx
from einops import rearrange

from hrm_model._config import HRMConfig

NO_ANSWER = -1e4
"""Logit of a token that no answer holds."""


class SymbolPlanes:
    """Which plane of states stands for which token.

    There is a plane for every token that an answer may hold, and each plane has all positions. What a plane sees of a
    position is the class of its token, and whether it is the plane's own. All interchangeable tokens are one class, so
    that renaming them permutes the planes and changes nothing else.

    Source: arXiv 2603.02193, section 3, "Symbol-Equivariant Recurrent Reasoning Models".

    Args:
        config: Names the tokens and gives the size of the vocabulary.
    """

    def __init__(self, config: HRMConfig) -> None:
        assert config.geometry is not None
        symbols, planes = config.geometry.symbols, config.geometry.planes
        others = sorted(set(range(config.vocab_size)) - set(symbols))
        class_of = {token: 1 + number for number, token in enumerate(others)}
        self.classes = 1 + len(others)
        self.num_kinds = 1 + len(config.geometry.constants)
        self.kinds = mx.array([0] * len(symbols) + [1 + i for i in range(len(config.geometry.constants))])
        """Kind of each plane, `[S]` int: 0 for the interchangeable ones, a number of its own for each other."""
        self._planes = mx.array(planes)
        self._class_of = mx.array([class_of.get(token, 0) for token in range(config.vocab_size)])
        is_plane = self._planes[:, None] == mx.arange(config.vocab_size)[None]
        self._place = is_plane.astype(mx.float32)  # [S, V]
        self._rest = mx.where(is_plane.any(axis=0), 0.0, NO_ANSWER)  # [V]
        mx.eval(self.kinds, self._planes, self._class_of, self._place, self._rest)

    def marks(self, inputs: mx.array) -> mx.array:
        """Return what each plane sees of each position, `[B, L]` int -> `[B, S, L]` int below `2 * classes`."""
        own = inputs[:, None] == self._planes[None, :, None]
        return self._class_of[inputs][:, None] + self.classes * own

    def per_plane(self, per_token: mx.array) -> mx.array:
        """Select the planes' entries of something that each token has, `[B, V]` -> `[B, S]`."""
        return per_token[:, self._planes]

    def logits(self, per_plane: mx.array) -> mx.array:
        """Spread one logit for each plane over the vocabulary, `[B, S * L, 1]` -> `[B, L, V]`."""
        scores = rearrange(per_plane, "b (s l) 1 -> b l s", s=self._planes.size)
        return scores @ self._place.astype(scores.dtype) + self._rest.astype(scores.dtype)
