"""Attention in plain operations that holds one block of scores at a time, forward and backward.

A block is a few batch elements, or a few heads of one, or a few queries of one head, with all the keys that
these see. The gradient computes each block anew from the maximum and the sum that the forward pass kept for every
query (Rabe and Staats, arXiv 2112.05682; Dao et al., arXiv 2205.14135). Where the scores are no more than a few
blocks, or about as many as the elements of the output, there is nothing to save: they are kept for the gradient.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import mlx.core as mx
from einops import rearrange

from hrm_ops._attention._inputs import Inputs, Shape
from hrm_ops._first_order import first_order

# Annotated upstream as functions that return object.
_custom_function: Any = mx.custom_function
_depends: Any = mx.depends

_LOWEST = -3.0e38  # takes the place of minus infinity where that would make a nan
_SMALLEST = 1e-37


@dataclass(frozen=True)
class Kernel:
    """How exponentials are computed, in a base of choice: `unit` is the logarithm of e in that base.

    `exp(x, to_zero)` is needed for `x <= 0` alone; with `to_zero` minus infinity must give 0 exactly.
    """

    exp: Callable[[mx.array, bool], mx.array]
    row_max: Callable[[mx.array], mx.array]
    row_sum: Callable[[mx.array], mx.array]
    unit: float
    block: int  # scores that are held at a time


PLAIN = Kernel(
    lambda x, _: mx.exp(x),
    lambda x: x.max(axis=-1, keepdims=True),
    lambda x: x.sum(axis=-1, keepdims=True),
    unit=1.0,
    block=1 << 21,
)


def is_few(q: Shape, k: Shape, v: Shape, block: int = PLAIN.block) -> bool:
    """Whether the scores are at most a few blocks, or about as many as elements of the output."""
    return count_scores(q, k) <= max(4 * block, 2 * math.prod(q[:3]) * v[-1])


def count_scores(q: Shape, k: Shape) -> int:
    """Number of scores, `B * H * Lq * Lk`."""
    return math.prod(q[:3]) * k[2]


def attention(inputs: Inputs, kernel: Kernel) -> mx.array:
    """Return `[B, H, Lq, dv]` in the dtype of `q`, computed in float32."""
    k, v = (mx.contiguous(a.astype(mx.float32)) for a in (inputs.k, inputs.v))
    scaled = inputs.q.astype(mx.float32) * (inputs.scale * kernel.unit)
    q = rearrange(scaled, "b (h g) l d -> b h g l d", g=inputs.groups)
    mask = inputs.mask
    if mask is not None:  # an axis that broadcasts has size 1
        mask = rearrange(mask, "b (h g) q k -> b h g q k", g=1 if mask.shape[1] == 1 else inputs.groups)
    run = _kept if is_few(inputs.q.shape, inputs.k.shape, inputs.v.shape, kernel.block) else _recomputed
    out = run(_Scores(kernel, inputs.causal, mask), q, k, v)
    return rearrange(out, "b h g l d -> b (h g) l d").astype(inputs.q.dtype)


def with_chunked_gradient(forward: Callable[..., mx.array], inputs: Inputs) -> mx.array:
    """Return `forward(q, k, v)`, with a floating point mask as a fourth argument, with a chunked gradient."""

    @_custom_function
    def function(*args: mx.array) -> mx.array:
        return forward(*args)

    @function.vjp
    def vjp(primals: tuple[mx.array, ...], cotangent: mx.array, _: mx.array) -> list[mx.array]:
        def again(q: mx.array, k: mx.array, v: mx.array, mask: mx.array | None = inputs.mask) -> mx.array:
            return attention(inputs._replace(q=q, k=k, v=v, mask=mask), PLAIN)

        return mx.vjp(again, list(primals), [cotangent])[1]

    floating = [inputs.mask] if inputs.mask is not None and inputs.mask.dtype != mx.bool_ else []
    return function(inputs.q, inputs.k, inputs.v, *floating)


@dataclass(frozen=True)
class _Scores:
    """Scores of queries `[b, h, G, r, d]` that are already scaled, with keys `[b, h, Lk, d]`."""

    kernel: Kernel
    causal: bool
    mask: mx.array | None

    @property
    def masked(self) -> bool:
        return self.causal or self.mask is not None

    def __call__(self, q: mx.array, k: mx.array, mask: mx.array | None) -> mx.array:
        """Return `[b, h, G, r, Lk]`; where these are causal the last query sees the last key."""
        scores = _rows_times(q, k.swapaxes(-1, -2))
        if mask is not None:
            return scores + self._bias(mask)
        if self.causal:  # only the last keys are not seen by all of these queries
            r, seen = scores.shape[-2:]
            last = (..., slice(seen - r, seen))
            scores[last] = scores[last] + mx.where(mx.tri(r, dtype=mx.bool_), 0.0, -mx.inf)
        return scores

    def _bias(self, mask: mx.array) -> mx.array:
        """What is added to the scores, in operations that are vectorised on a CPU, where `mx.where` is not."""
        if mask.dtype == mx.bool_:
            return 1 - 1 / mask.astype(mx.float32)  # 0 or minus infinity
        bias = mask.astype(mx.float32)
        # Finite numbers stay finite in the kernel's unit; the last term is lost in rounding unless it is infinite.
        return mx.maximum(bias, _LOWEST / self.kernel.unit) * self.kernel.unit + bias * _SMALLEST

    def exponentials(self, scores: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Return `exp(scores - highest)`, their sum (1 for a query that sees nothing), and `highest`."""
        highest = self.kernel.row_max(scores)
        if self.masked:
            highest = mx.maximum(highest, _LOWEST)
        weights = self.kernel.exp(scores - highest, self.masked)
        total = self.kernel.row_sum(weights)
        if self.masked:
            total = mx.where(total > 0, total, 1)
        return weights, total, highest

    def gradients(
        self,
        q: mx.array,
        k: mx.array,
        v: mx.array,
        weights: mx.array,
        total: mx.array,
        out: mx.array,
        cotangent: mx.array,
    ) -> tuple[mx.array, mx.array, mx.array, mx.array]:
        """Gradients of `q`, `k`, `v` and the scores, from what `exponentials` gave for them."""
        scaled = cotangent * (1 / (first_order(total) * self.kernel.unit))
        inner = self.kernel.row_sum(_flat_product(scaled, out))
        d_scores = _flat_product(weights, _rows_times(scaled, v.swapaxes(-1, -2)) - inner)
        d_v = _transposed_times(weights, scaled) * self.kernel.unit
        return _rows_times(d_scores, k), _transposed_times(d_scores, q), d_v, d_scores

    def mask_gradient(self, d_scores: mx.array, shape: tuple[int, ...]) -> mx.array:
        """Sum over the axes in which a mask of that shape broadcasts."""
        axes = [axis for axis, (have, got) in enumerate(zip(shape, d_scores.shape, strict=True)) if have < got]
        return (d_scores.sum(axis=axes, keepdims=True) if axes else d_scores) * self.kernel.unit


def _kept(scores: _Scores, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    """Attention whose exponentials are kept for the gradient."""

    @_custom_function
    def run(q: mx.array, k: mx.array, v: mx.array, *mask: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        weights, total, _ = scores.exponentials(scores(q, k, mask[0] if mask else scores.mask))
        return _rows_times(weights, v) / total, weights, total

    @run.vjp
    def vjp(
        primals: tuple[mx.array, ...], cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]
    ) -> tuple[mx.array, ...]:
        q, k, v, *mask = primals
        out, weights, total = outputs
        *found, d_scores = scores.gradients(q, k, v, weights, total, out, cotangents[0])
        return *found, *(scores.mask_gradient(d_scores, m.shape).astype(m.dtype) for m in mask)

    return run(q, k, v, *_differentiable(scores.mask))[0]


def _recomputed(scores: _Scores, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    """Attention by blocks, each computed again for the gradient."""
    cut = _Cut.of(q.shape, k.shape[2], scores)

    @_custom_function
    def run(q: mx.array, k: mx.array, v: mx.array, *mask: mx.array) -> tuple[mx.array, ...]:
        def block(at: _Block, q: mx.array) -> list[mx.array]:
            part = scores(q, at.keys_of(k), at.mask_of(mask[0] if mask else scores.mask))
            weights, total, highest = scores.exponentials(part)
            return [_rows_times(weights, at.keys_of(v)) / total, total, highest]

        return tuple(cut.join_queries(parts) for parts in zip(*cut.one_by_one(block, q), strict=True))

    @run.vjp
    def vjp(
        primals: tuple[mx.array, ...], cotangents: tuple[mx.array, ...], outputs: tuple[mx.array, ...]
    ) -> tuple[mx.array, ...]:
        q, k, v, *mask = primals
        out, total, highest = outputs

        def gradients(at: _Block, q: mx.array) -> tuple[mx.array, mx.array, mx.array, mx.array]:
            keys = at.keys_of(k)
            part = scores(q, keys, at.mask_of(mask[0] if mask else scores.mask))
            weights = scores.kernel.exp(part - at.queries_of(highest), scores.masked)
            of_queries = (at.queries_of(a) for a in (total, out, cotangents[0]))
            return scores.gradients(q, keys, at.keys_of(v), weights, *of_queries)

        sums: list[mx.array] = []

        def block(at: _Block, q: mx.array) -> list[mx.array]:
            d_q, *of_keys, _ = gradients(at, q)
            sums[:] = [_add_longer(*pair) for pair in zip(sums, of_keys, strict=True)] if at.queries.start else of_keys
            return [d_q, *sums]

        d_q, d_k, d_v = zip(*cut.one_by_one(block, q), strict=True)
        found = [cut.join_queries(d_q), cut.join_last(d_k), cut.join_last(d_v)]
        for m in mask:  # in a pass of its own, which only runs if this gradient is asked for
            d_mask = mx.zeros(m.shape)

            def add(at: _Block, q: mx.array, d_mask: mx.array = d_mask) -> list[mx.array]:
                where = at.slices_in(d_mask.shape)
                part = d_mask[where]
                d_mask[where] = part + scores.mask_gradient(gradients(at, q)[3], part.shape)
                return [d_mask]

            list(cut.one_by_one(add, q))
            found.append(d_mask.astype(m.dtype))
        return tuple(found)

    return run(q, k, v, *_differentiable(scores.mask))[0]


@dataclass(frozen=True)
class _Block:
    """Which queries `[b, h, G, r]` of `[B, Hkv, G, Lq]` are computed together, and the keys that they see."""

    batch: slice
    heads: slice
    queries: slice
    keys: slice

    def queries_of(self, x: mx.array) -> mx.array:
        return x[self.batch, self.heads, :, self.queries]

    def keys_of(self, x: mx.array) -> mx.array:
        return x[self.batch, self.heads, self.keys]

    def slices_in(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        parts = (self.batch, self.heads, slice(None), self.queries, slice(None))
        return tuple(slice(None) if size == 1 else part for part, size in zip(parts, shape, strict=True))

    def mask_of(self, mask: mx.array | None) -> mx.array | None:
        return None if mask is None else mask[self.slices_in(mask.shape)]


@dataclass(frozen=True)
class _Cut:
    """Blocks in order: batch elements, within one of these heads, within one of those queries."""

    batch: list[slice]
    heads: list[slice]
    queries: list[slice]
    keys: int
    causal: bool

    @staticmethod
    def of(q: tuple[int, ...], keys: int, scores: _Scores) -> "_Cut":
        B, H, G, L, _ = q
        held = scores.kernel.block
        a_query, a_head, an_element = G * keys, G * keys * L, G * keys * L * H
        return _Cut(
            _slices(B, held // an_element),
            _slices(H, H if an_element <= held else held // a_head),
            _slices(L, L if a_head <= held else held // a_query),
            keys,
            scores.causal,
        )

    def one_by_one(
        self, compute: Callable[[_Block, mx.array], list[mx.array]], q: mx.array
    ) -> Iterator[list[mx.array]]:
        """Yield what is computed of every block and its queries; each starts when the one before is done."""
        done: list[mx.array] = []
        for batch, heads, queries in product(self.batch, self.heads, self.queries):
            seen = self.keys - (self.queries[-1].stop - queries.stop) if self.causal else self.keys
            at = _Block(batch, heads, queries, slice(0, seen))
            part = at.queries_of(q)
            done = compute(at, _depends([part], done)[0] if done else part)
            yield done

    def join_queries(self, parts: Sequence[mx.array]) -> mx.array:
        return _join(_join(_join(parts, len(self.queries), 3), len(self.heads), 1), len(self.batch), 0)[0]

    def join_last(self, parts: Sequence[mx.array]) -> mx.array:
        """Put together what the last block of every head left."""
        count = len(self.queries)
        return _join(_join(parts[count - 1 :: count], len(self.heads), 1), len(self.batch), 0)[0]


def _slices(length: int, size: int) -> list[slice]:
    size = max(size, 1)
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _join(parts: Sequence[mx.array], count: int, axis: int) -> Sequence[mx.array]:
    """Put each `count` parts in a row together."""
    if count == 1:
        return parts
    return [mx.concatenate(list(parts[i : i + count]), axis=axis) for i in range(0, len(parts), count)]


def _add_longer(x: mx.array, y: mx.array) -> mx.array:
    """Add `[b, h, S, d]` to the first `S` of `[b, h, S', d]`."""
    S = x.shape[2]
    if y.shape[2] == S:
        return x + y
    return mx.concatenate([x + y[:, :, :S], y[:, :, S:]], axis=2)


def _flat_product(x: mx.array, y: mx.array) -> mx.array:
    """Multiply arrays of one shape; flat, because `mx.compile` does not vectorise what it fuses with a broadcast."""
    return (x.reshape(-1) * y.reshape(-1)).reshape(x.shape)


def _rows_times(x: mx.array, matrix: mx.array) -> mx.array:
    """Multiply `[b, h, G, r, n]` by `[b, h, n, m]`, all groups in one product."""
    b, h, G, r, n = x.shape  # einops would make small gradients a tenth slower here
    return (x.reshape(b, h, G * r, n) @ matrix).reshape(b, h, G, r, -1)


def _transposed_times(x: mx.array, y: mx.array) -> mx.array:
    """Sum `[b, h, G, r, n]` times `[b, h, G, r, m]` over groups and rows: `[b, h, n, m]`."""
    b, h, G, r, n = x.shape
    return x.reshape(b, h, G * r, n).swapaxes(-1, -2) @ y.reshape(b, h, G * r, -1)


def _differentiable(mask: mx.array | None) -> list[mx.array]:
    return [] if mask is None or mask.dtype == mx.bool_ else [mask]
