"""The part of a training step that changes the dense weights, shared among the device's lanes."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, cast

import mlx.core as mx
from hrm_model import HRM
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from hrm_train.step._gradients import Tree
from hrm_train.step._optimizers import AdamAtan2

Flat = dict[str, mx.array]


class DenseUpdate:
    """Mean of gradients, and Adam-atan2 with an optional average of the weights; each lane takes some of the weights.

    Both parts are compiled, and no arithmetic depends on how many lanes there are.

    Args:
        model: Its trainable parameters are the weights.
        optimizer: Initialised for the weights.
        lanes: Streams to work on.
        ema_decay: Decay of the running average of the weights; 0 keeps none.
    """

    def __init__(self, model: HRM, optimizer: AdamAtan2, lanes: Sequence[mx.Stream], ema_decay: float) -> None:
        self.model, self.optimizer, self.ema_decay = model, optimizer, ema_decay
        self._lanes = list(lanes)
        self._shares: list[list[str]] = [[] for _ in lanes]
        sizes = [0] * len(lanes)
        for name, array in sorted(flat(model.trainable_parameters()).items(), key=lambda item: -item[1].size):
            least = sizes.index(min(sizes))
            self._shares[least].append(name)
            sizes[least] += array.size
        # Each lane has functions of its own: one for all would share constants between streams.
        self._merge = [mx.compile(lambda *args: _merged(*args)) for _ in lanes]
        self._apply = [mx.compile(lambda *args: self._moved(*args)) for _ in lanes]

    def merge(self, gradients: Sequence[Tree], count: int) -> tuple[Flat, list[mx.array]]:
        """Return the sum of gradients divided by ``count``, and for each lane whether what it saw is finite."""
        parts = [flat(gradient) for gradient in gradients]
        mean: Flat = {}
        finite = []
        for stream, names, merge in zip(self._lanes, self._shares, self._merge, strict=True):
            with mx.stream(stream):
                share, is_finite = merge([{name: part[name] for name in names} for part in parts], count)
            mean |= share
            finite.append(is_finite)
        return mean, finite

    def apply(self, good: mx.array, count: Flat, average: Flat, gradient: Flat) -> None:
        """Change the weights, the optimiser's state and the average of the weights, if ``good`` is true.

        What is old is let go of weight by weight, so that it is not in memory beside all that is new.

        Args:
            good: Whether anything may change, a bool scalar.
            count: What ``counted`` gave for the optimiser.
            average: Averages of the weights by name, empty if none are kept; changed.
            gradient: What :meth:`merge` gave; emptied.
        """
        weights = flat(self.model.trainable_parameters())
        moments = {name: _at(self.optimizer.state, name) for name in weights}
        for names in zip_longest(*self._shares):  # one weight a lane at a time
            changed: Flat = {}
            arrays = []
            for name, stream, apply in zip(names, self._lanes, self._apply, strict=True):
                if name is None:
                    continue
                own = (weights.pop(name), moments[name], average.get(name), gradient.pop(name))
                with mx.stream(stream):
                    changed[name], m, v, *mean = apply(good, count, *own)
                del own
                moments[name].update(m=m, v=v)
                if mean:
                    average[name] = mean[0]
                arrays += [m, v, *mean]
            self.model.update(tree_unflatten(list(changed.items())))
            if len(self._lanes) > 1:  # see start_in_order
                mx.async_eval(changed, arrays)

    def _moved(
        self, good: mx.array, count: Flat, weight: mx.array, moments: Flat, average: mx.array | None, gradient: mx.array
    ) -> list[mx.array]:
        old = [weight, moments["m"], moments["v"]]
        new = [*self.optimizer.moved(weight, gradient, old[1], old[2], count["learning_rate"], count["step"])]
        if average is not None:
            old.append(average)
            new.append(average + (1 - self.ema_decay) * (new[0] - average))
        return [mx.where(good, *pair) for pair in zip(new, old, strict=True)]


def start_in_order(gradients: Sequence[Tree]) -> None:
    """Start to evaluate the gradients of several lanes in the order in which a backward pass reaches them.

    With several lanes MLX walks the graph breadth first, which puts all gradients of weights last and keeps until then
    what they are computed from: twice the memory of the activations.
    """
    parts = [flat(gradient) for gradient in gradients]
    # The output heads, then the module that ran last, and the embeddings last.
    order = sorted(reversed(parts[0]), key=lambda name: (name.startswith("embed"), name.startswith("L_level")))
    for name in order:
        mx.async_eval([part[name] for part in parts])


def flat(tree: Tree) -> Flat:
    """Return the arrays of a tree by their dotted names."""
    return dict(cast("list[tuple[str, mx.array]]", tree_flatten(tree)))


def all_finite(tree: Any) -> mx.array:
    """Whether every number of a tree of arrays is finite and so is its square, as Adam's second moment takes it."""
    arrays = [array for _, array in tree_flatten(tree) if isinstance(array, mx.array)]
    # Sums are fast, and keep what is not finite.
    squares = [mx.square(array.astype(mx.float32)).sum() for array in arrays]
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
