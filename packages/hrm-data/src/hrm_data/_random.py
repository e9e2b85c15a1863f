"""Counter-based random numbers: the draw of item `i` depends on (seed, i), not on how items are batched."""

from __future__ import annotations

import numpy as np

from hrm_data._errors import HRMDataError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_SPLIT_SALT = np.uint64(975)  # chosen so that the few orbits of 4x4 and 6x6 Sudokus come near the wanted share


def mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), elementwise on uint64."""
    x = x ^ (x >> np.uint64(30))
    x = x * _M1
    x = x ^ (x >> np.uint64(27))
    x = x * _M2
    mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed


def item_keys(seed: int, items: np.ndarray) -> np.ndarray:
    """One uint64 key for each item number, `items` any integer array."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    return mix(mix(items.astype(np.uint64) + state) + _GOLDEN)


def draw(keys: np.ndarray, count: int, salt: int) -> np.ndarray:
    """`[len(keys), count]` uint64 of independent random bits; another `salt` gives another draw."""
    counter = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(salt << 32)
    return mix(keys[:, None] + counter * _GOLDEN)


def permutations(keys: np.ndarray, count: int, salt: int) -> np.ndarray:
    """One random permutation of `range(count)` for each key, `[len(keys), count]` int64."""
    return np.argsort(draw(keys, count, salt), axis=1, kind="stable")


def in_test(keys: np.ndarray, share: float) -> np.ndarray:
    """Return whether each uint64 key belongs to the test split, `[N]` bool; about `share` of all keys do.

    Raises:
        HRMDataError: `share` is not within 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise HRMDataError(f"test_share is {share}; it must be from 0 to 1")
    chosen: np.ndarray = (mix(keys + _SPLIT_SALT) >> np.uint64(11)).astype(np.float64) * 2.0**-53 < share
    return chosen
