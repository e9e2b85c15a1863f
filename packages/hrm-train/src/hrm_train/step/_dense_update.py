"""The dense update of a training step: mean gradient, clipping, Adam-atan2, average of the weights."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import mlx.core as mx
from hrm_model import HRM
from mlx.optimizers import clip_grad_norm
from mlx.utils import tree_flatten, tree_map, tree_unflatten

from hrm_train.ranks._ranks import Ranks
from hrm_train.step._optimizers import AdamAtan2, counted
from hrm_train.step._trees import Flat, Tree, all_finite, choose, flat


class DenseUpdate:
    """Updates everything but the puzzle table; each lane takes a share of the weights.

    An update has two parts: `collect` and `apply`. Their arithmetic is compiled and does not depend on
    the number of lanes.

    Args:
        model: Its trainable parameters are the weights.
        optimizer: Updates the weights; initialised here.
        streams: The lanes.
        clip_norm: Largest global norm of the gradient; 0 does not clip.
        ema_decay: Decay of the average of the weights; 0 keeps none.
        ranks: The processes that train together.

    Attributes:
        average: Exponential moving averages of the weights by name; empty without `ema_decay`.
    """

    def __init__(
        self,
        model: HRM,
        optimizer: AdamAtan2,
        streams: Sequence[mx.Stream],
        *,
        clip_norm: float,
        ema_decay: float,
        ranks: Ranks,
    ) -> None:
        self._model, self._optimizer, self._streams, self._ranks = model, optimizer, list(streams), ranks
        self._clip_norm, self._ema_decay = clip_norm, ema_decay
        self.average: Flat = {}
        if ema_decay:
            self.restart_average()
        optimizer.init(model.trainable_parameters())
        self._gradient: Flat = {}
        self._shares = _even_shares(flat(model.trainable_parameters()), len(streams))
        # Each lane has its own compiled functions: one for all would share constants between streams.
        self._mean = [mx.compile(lambda *args: _mean(*args)) for _ in streams]
        self._move = [mx.compile(lambda *args: self._moved(*args)) for _ in streams]

    def restart_average(self) -> None:
        """Set the averages to the present weights."""
        self.average = flat(tree_map(mx.array, self._model.trainable_parameters()))

    def collect(self, gradients: list[Tree], count: int) -> list[mx.array]:
        """Keep the sum of gradients divided by `count` for `apply`.

        Args:
            gradients: Trees of gradients; the list is emptied, so that it keeps nothing in memory during the update.
            count: How many gradients were added up in them.

        Returns:
            For each lane whether its share of the mean is finite, a bool scalar.
        """
        parts = [flat(gradient) for gradient in gradients]
        gradients.clear()
        finite = []
        for stream, names, mean in zip(self._streams, self._shares, self._mean, strict=True):
            with mx.stream(stream):
                share, is_finite = mean([{name: part[name] for name in names} for part in parts], count)
            self._gradient |= share
            finite.append(is_finite)
        return finite

    def apply(self, good: mx.array) -> None:
        """Change weights, optimiser state and averages by the collected gradient if the bool scalar `good` is true.

        Each old array is released before the next weight is updated, so that old and new weights are never in memory
        together.
        """
        gradient, self._gradient = flat(self._ranks.average(self._gradient)), {}
        if self._clip_norm:
            gradient, _ = clip_grad_norm(gradient, self._clip_norm)
        state = self._optimizer.state
        count = counted(self._optimizer)
        # Not in the compiled function, which would compute the powers in them for every element.
        factors = self._optimizer.factors(count["learning_rate"], count["step"])
        weights = flat(self._model.trainable_parameters())
        moments: dict[str, Flat] = dict(tree_flatten(state, is_leaf=_are_moments))
        for names in zip_longest(*self._shares):  # one weight a lane at a time
            changed: Flat = {}
            arrays = []
            for name, stream, move in zip(names, self._streams, self._move, strict=True):
                if name is None:
                    continue
                own = (weights.pop(name), moments[name], self.average.get(name), gradient.pop(name))
                with mx.stream(stream):
                    changed[name], m, v, *average = move(good, factors, *own)
                del own
                moments[name].update(m=m, v=v)
                if average:
                    self.average[name] = average[0]
                arrays += [m, v, *average]
            self._model.update(tree_unflatten(list(changed.items())))
            if len(self._streams) > 1:  # in this order, for memory: MLX would walk the graph breadth first
                mx.async_eval(changed, arrays)
        state.update(choose(good, count, {name: state[name] for name in count}))

    def _moved(
        self,
        good: mx.array,
        factors: tuple[mx.array, mx.array, mx.array],
        weight: mx.array,
        moments: Flat,
        average: mx.array | None,
        gradient: mx.array,
    ) -> list[mx.array]:
        # Each array is computed from those chosen before it, so that all of them are outputs of one fused kernel.
        optimizer, old = self._optimizer, (moments["m"], moments["v"])
        m, v = choose(good, optimizer.moments(gradient, *old), old)
        new = mx.where(good, optimizer.moved(weight, m, v, *factors), weight)
        if average is None:
            return [new, m, v]
        return [new, m, v, mx.where(good, average + (1 - self._ema_decay) * (new - average), average)]


def _even_shares(weights: Flat, count: int) -> list[list[str]]:
    """Divide the names of weights into shares of about equal size, largest weights first."""
    shares: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for name, array in sorted(weights.items(), key=lambda item: -item[1].size):
        smallest = sizes.index(min(sizes))
        shares[smallest].append(name)
        sizes[smallest] += array.size
    return shares


def _mean(gradients: list[Flat], count: int) -> tuple[Flat, mx.array]:
    mean = tree_map(lambda *parts: sum(parts) / count, *gradients)
    return mean, all_finite(mean)


def _are_moments(node: Any) -> bool:
    return isinstance(node, dict) and "m" in node
