"""Chooses the augmented copies of ARC tasks at random, without duplicates within a task."""

from __future__ import annotations

import numpy as np

from hrm_data._random import draw, mix
from hrm_data.arc._draw import Pixels
from hrm_data.arc._grid import COLOURS, END, FIRST_COLOUR
from hrm_data.symmetry._dihedral import TRANSFORMS

_PERMUTATIONS = 362_880  # of nine colours
CODES = TRANSFORMS * _PERMUTATIONS
"""An augmentation is a number below this; 0 changes nothing."""
_TRIES = 5
"""Draws for each wanted copy before the search for more copies of a task ends, as in the reference."""


def below(bits: np.ndarray, limit: np.ndarray | int) -> np.ndarray:
    """Random bits (uint64) as integers in `0..limit - 1`; `limit` is at most 2^22."""
    number: np.ndarray = ((bits >> np.uint64(22)) * np.asarray(limit, np.uint64)) >> np.uint64(42)
    return number.astype(np.int64)


def transforms_of(codes: np.ndarray) -> np.ndarray:
    """Dihedral transforms `[N]` int64 of codes `[N]`."""
    return codes.astype(np.int64) // _PERMUTATIONS


def colours_of(codes: np.ndarray) -> np.ndarray:
    """What each colour becomes, `[N, 10]` uint8, of codes `[N]`; 0 stays."""
    rank = codes.astype(np.uint32) % np.uint32(_PERMUTATIONS)
    colours = np.zeros((len(rank), COLOURS), np.uint8)
    for place in range(COLOURS - 1, 0, -1):  # digits in the factorial number system, the last first
        rank, digit = np.divmod(rank, np.uint32(COLOURS - place))
        colours[:, place] = digit
        later = colours[:, place + 1 :]
        later += later >= colours[:, place, None]
    colours[:, 1:] += 1
    return colours


def choose(pixels: Pixels, pairs: np.ndarray, keys: np.ndarray, count: int) -> list[np.ndarray]:
    """Codes of the copies of each task, the original (0) first, then up to `count` augmentations, uint32.

    Transform and colours are drawn uniformly; a copy whose set of pairs equals that of one before is left out.
    Fewer than `count` are found for a task that has few different copies.

    Args:
        pixels: Grids; pair `p` has the input `2 * p` and the output `2 * p + 1`.
        pairs: `[tasks + 1]`, where the pairs of each task begin.
        keys: `[tasks]` uint64, the tasks' random keys.
        count: Augmentations wanted.
    """
    fixed = np.random.Generator(np.random.Philox(0))
    weights = fixed.integers(0, 2**64, (2, 31 * 31), np.uint64)
    values = fixed.integers(0, 2**64, COLOURS, np.uint64)
    sums = pixels.sums(weights)
    chosen = []
    for task, key in enumerate(keys):
        part = sums[pairs[task] : pairs[task + 1]]
        codes, marks = np.zeros(1, np.uint32), _marks(part, np.zeros(1, np.uint32), values)
        for attempt in range(_TRIES if count else 0):
            bits = draw(mix(np.array([key]) + np.uint64(attempt)), count, salt=1)[0]
            fresh = below(bits, CODES).astype(np.uint32)
            codes = np.concatenate([codes, fresh])
            marks = np.concatenate([marks, _marks(part, fresh, values)])
            first = np.sort(np.unique(marks, return_index=True)[1])[: count + 1]
            codes, marks = codes[first], marks[first]
            if len(codes) == count + 1:
                break
        chosen.append(codes)
    return chosen


def _marks(sums: np.ndarray, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A 64-bit hash of the set of pairs of each augmented copy, `[codes]`.

    A pair's hash is linear in the values of its colours: the sum of random weights over the places of a colour is
    the same for all permutations, so that a permutation only exchanges ten values.
    """
    turned = sums[:, transforms_of(codes)]  # [pairs, codes, 16]
    colours = turned[:, :, FIRST_COLOUR : FIRST_COLOUR + COLOURS]
    pairs = turned[:, :, END] + np.einsum("pac,ac->pa", colours, values[colours_of(codes)])
    marks: np.ndarray = mix(pairs).sum(axis=0, dtype=np.uint64)
    return marks
