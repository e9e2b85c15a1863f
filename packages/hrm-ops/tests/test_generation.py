"""Attention is called as in `mlx.nn`, and generation with a cache gives the numbers of the full pass."""

from itertools import pairwise

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hrm_ops import Attention, HRMOpsError, KVCache, MinimalTransformer, TransformerBlock, rope_tables
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> mx.array:
    return mx.random.normal(shape, key=mx.random.key(seed))


def close(a: mx.array, b: mx.array) -> None:
    np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-4, atol=1e-5)


def cuts_of(length: int, cuts: list[int]) -> list[slice]:
    """Parts of a sequence, of different lengths."""
    ends = sorted({*(cut % length for cut in cuts), 0, length})
    return [slice(*pair) for pair in pairwise(ends)]


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(2, 12), st.lists(st.integers(1, 11), max_size=4), st.booleans(), st.booleans(), st.booleans())
def test_parts_with_a_cache_are_the_full_causal_pass(
    seed: int, length: int, cuts: list[int], grouped: bool, bias: bool, traditional: bool
) -> None:
    mx.random.seed(seed)
    options = {"rope_base": 100.0, "rope_traditional": traditional, "rope_scale": 0.5}
    layer = Attention(16, 4, 2 if grouped else None, bias, **options)
    x, cache = normal(seed, 2, length, 16), KVCache()
    parts = [layer(x[:, part], "causal", cache) for part in cuts_of(length, cuts)]
    close(mx.concatenate(parts, axis=1), layer(x, "causal"))
    assert cache.offset == length


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_model_that_keeps_keys_and_values_writes_the_same_tokens(norm: str) -> None:
    mx.random.seed(0)
    model = MinimalTransformer(11, dims=32, num_heads=4, num_layers=2, norm=norm)  # type: ignore[arg-type]
    prompt = mx.array([[1, 2, 3], [4, 5, 6]])
    cache, kept, full = model.make_cache(), prompt, prompt
    for _ in range(6):
        logits = model(kept[:, cache[0].offset :], cache=cache)
        close(logits[:, -1], model(full)[:, -1])
        kept = mx.concatenate([kept, logits[:, -1:].argmax(axis=-1)], axis=1)
        full = mx.concatenate([full, model(full)[:, -1:].argmax(axis=-1)], axis=1)
    assert kept.tolist() == full.tolist()


def test_room_for_more_positions_is_added_as_they_come() -> None:
    layer, cache, x = Attention(8, 2, rope_base=1e4), KVCache(), normal(0, 1, 600, 8)
    parts = [layer(x[:, part], "causal", cache) for part in (slice(0, 255), slice(255, 257), slice(257, 600))]
    close(mx.concatenate(parts, axis=1), layer(x, "causal"))


@pytest.mark.parametrize("first", [1, 2])
def test_the_first_of_the_new_positions_see_earlier_ones_and_no_later_one(first: int) -> None:
    block, x = TransformerBlock(16, 2, 2.0, rope_base=1e4), normal(0, 2, 5, 16)
    whole = block(x, "causal")
    cache = KVCache()
    block(x[:, :3], "causal", cache)
    close(block(x[:, 3:], "causal", cache, first=first), whole[:, 3 : 3 + first])


def test_an_array_masks_earlier_positions_too_and_tables_are_those_of_the_new_ones() -> None:
    layer, x = Attention(16, 2), normal(0, 2, 5, 16)
    cos, sin = rope_tables(5, 8)
    sees = mx.tril(mx.ones((5, 5), mx.bool_)) & (mx.arange(5) != 1)
    cache = KVCache()
    parts = [
        layer(x[:, part], sees[part, : part.stop], cache, rope=(cos[part], sin[part]))
        for part in (slice(0, 3), slice(3, 5))
    ]
    close(mx.concatenate(parts, axis=1), layer(x, sees, rope=(cos, sin)))


@pytest.mark.parametrize("bias", [False, True])
def test_with_equal_weights_it_is_the_attention_of_mlx(bias: bool) -> None:
    mx.random.seed(0)
    ours, theirs, x = Attention(16, 4, bias=bias), nn.MultiHeadAttention(16, 4, bias=bias), normal(0, 2, 5, 16)
    parts = (theirs.query_proj, theirs.key_proj, theirs.value_proj)
    for part, weight in zip(parts, mx.split(ours.qkv_proj.weight, 3), strict=True):
        part.weight = weight
    theirs.out_proj.weight = ours.o_proj.weight
    if bias:
        ours.qkv_proj.bias, ours.o_proj.bias = normal(1, 48), normal(2, 16)
        for part, shift in zip(parts, mx.split(ours.qkv_proj.bias, 3), strict=True):
            part.bias = shift
        theirs.out_proj.bias = ours.o_proj.bias
    close(ours(x), theirs(x, x, x))
    mask = nn.MultiHeadAttention.create_additive_causal_mask(5)
    close(ours(x, mask), theirs(x, x, x, mask))
    close(ours(x, "causal"), ours(x, mask))


@pytest.mark.parametrize("new", [(1, 2, 1, 4), (2, 1, 1, 4), (2, 2, 1, 8)])
def test_a_cache_takes_nothing_of_another_shape(new: tuple[int, ...]) -> None:
    cache = KVCache()
    cache.update_and_fetch(mx.zeros((2, 2, 3, 4)), mx.zeros((2, 2, 3, 4)))
    with pytest.raises(HRMOpsError, match=r"\[KVCache\] keys must be .*\(2, 2, 'L', 4\).* use a new cache"):
        cache.update_and_fetch(mx.zeros(new), mx.zeros(new))
    assert cache.offset == 3
