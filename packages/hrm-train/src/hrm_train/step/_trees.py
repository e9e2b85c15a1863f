"""Trees of arrays: flattened, compared with infinity, and chosen between."""

from functools import reduce
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map

Tree = dict[str, Any]
Flat = dict[str, mx.array]


def flat(tree: Tree) -> Flat:
    """Return the arrays of a tree by their dotted names."""
    return dict(cast("list[tuple[str, mx.array]]", tree_flatten(tree)))


def all_finite(tree: Any) -> mx.array:
    """Return whether every number of a tree is finite and has a finite square, which Adam's second moment needs."""
    arrays = [array for _, array in tree_flatten(tree) if isinstance(array, mx.array)]
    # A sum is fast, and stays infinite or NaN once a term is.
    squares = [mx.square(array.astype(mx.float32)).sum() for array in arrays]
    return mx.isfinite(reduce(mx.maximum, squares))  # is fused; stacked, each would be copied by a kernel of its own


def choose(condition: mx.array, yes: Any, no: Any) -> Any:
    """Return the tree `yes` where the bool scalar `condition` is true, else the tree `no`."""
    return tree_map(lambda a, b: mx.where(condition, a, b), yes, no)
