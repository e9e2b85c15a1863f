"""The part of a training step that changes the dense weights, shared among the device's lanes."""

from collections.abc import Sequence
from typing import Any, cast

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from hrm_train._gradients import Tree
from hrm_train._optimizers import AdamAtan2

Flat = dict[str, mx.array]


class DenseUpdate:
    """Mean of gradients, and Adam-atan2 with an optional average of the weights; each lane takes some of the weights.

    Both parts are compiled, and no arithmetic depends on how many lanes there are.

    Args:
        optimizer: Initialised for the weights.
        weights: The tree of trainable parameters.
        lanes: Streams to work on.
        ema_decay: Decay of the running average of the weights; 0 keeps none.
    """

    def __init__(self, optimizer: AdamAtan2, weights: Tree, lanes: Sequence[mx.Stream], ema_decay: float) -> None:
        self.optimizer, self.ema_decay = optimizer, ema_decay
        self._lanes = list(lanes)
        self._shares: list[list[str]] = [[] for _ in lanes]
        sizes = [0] * len(lanes)
        for name, array in sorted(flat(weights).items(), key=lambda item: -item[1].size):
            least = sizes.index(min(sizes))
            self._shares[least].append(name)
            sizes[least] += array.size
        # Each lane has functions of its own: one for all would share constants between streams.
        self._merge = [mx.compile(lambda *args: _merged(*args)) for _ in lanes]
        self._apply = [mx.compile(lambda *args: self._moved(*args)) for _ in lanes]

    def merge(self, gradients: Sequence[Tree], count: int) -> tuple[Tree, list[mx.array]]:
        """Return the sum of gradients divided by ``count``, and for each lane whether what it saw is finite."""
        parts = [flat(gradient) for gradient in gradients]
        mean: Flat = {}
        finite = []
        for stream, names, merge in zip(self._lanes, self._shares, self._merge, strict=True):
            with mx.stream(stream):
                share, is_finite = merge([{name: part[name] for name in names} for part in parts], count)
            mean |= share
            finite.append(is_finite)
        return cast(Tree, tree_unflatten(list(mean.items()))), finite

    def apply(self, good: mx.array, count: Flat, weights: Tree, average: Tree, gradient: Tree) -> tuple[Tree, Tree]:
        """Return the new weights and their new average, and move the optimiser's state, if ``good`` is true.

        Args:
            good: Whether anything may change, a bool scalar.
            count: What :meth:`AdamAtan2.counted` gave.
            weights: The tree of trainable parameters.
            average: The tree of their averages, empty if none is kept.
            gradient: The tree of :meth:`merge`.
        """
        old, averages, gradients = flat(weights), flat(average), flat(gradient)
        moments = {name: _at(self.optimizer.state, name) for name in old}
        new: Flat = {}
        new_averages: Flat = {}
        for stream, names, apply in zip(self._lanes, self._shares, self._apply, strict=True):
            with mx.stream(stream):
                share = apply(
                    good, count, *({n: of[n] for n in names if n in of} for of in (old, moments, averages, gradients))
                )
            for name, (weight, m, v, *mean) in share.items():
                new[name] = weight
                moments[name].update(m=m, v=v)
                if mean:
                    new_averages[name] = mean[0]
        return tree_unflatten(list(new.items())), tree_unflatten(list(new_averages.items())) if average else {}

    def _moved(
        self, good: mx.array, count: Flat, weights: Flat, moments: dict[str, Flat], averages: Flat, gradients: Flat
    ) -> dict[str, list[mx.array]]:
        result = {}
        for name, weight in weights.items():
            m, v = moments[name]["m"], moments[name]["v"]
            old = [weight, m, v]
            new = [*self.optimizer.moved(weight, gradients[name], m, v, count["learning_rate"], count["step"])]
            if averages:
                old.append(averages[name])
                new.append(old[3] + (1 - self.ema_decay) * (new[0] - old[3]))
            result[name] = choose(good, new, old)
        return result


def flat(tree: Tree) -> Flat:
    """Return the arrays of a tree by their dotted names."""
    return dict(cast("list[tuple[str, mx.array]]", tree_flatten(tree)))


def all_finite(tree: Any) -> mx.array:
    """Whether every number of a tree of arrays is finite and so is its square, as Adam's second moment takes it."""
    arrays = [array for _, array in tree_flatten(tree) if isinstance(array, mx.array)]
    squares = [
        mx.square(array.astype(mx.float32)).sum() for array in arrays
    ]  # sums are fast, and keep what is not finite
    return mx.isfinite(mx.stack(squares)).all()


def choose(condition: mx.array, yes: Any, no: Any) -> Any:
    """Return one tree of arrays or the other."""
    return tree_map(lambda a, b: mx.where(condition, a, b), yes, no)


def _merged(gradients: list[Flat], count: int) -> tuple[Flat, mx.array]:
    mean = tree_map(lambda *parts: sum(parts) / count, *gradients)
    return mean, all_finite(mean)


def _at(tree: Any, name: str) -> Any:
    for key in name.split("."):
        tree = tree[int(key) if isinstance(tree, list) else key]
    return tree
