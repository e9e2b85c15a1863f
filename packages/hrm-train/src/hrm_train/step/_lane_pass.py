"""The forward and backward pass of a rank's slots, in micro-batches and over the lanes of the device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import mlx.core as mx
from hrm_model import HRM, Batch, Carry, CompiledSteps, slots
from hrm_ops import lanes
from mlx.utils import tree_map

from hrm_train.step._gradients import loss_and_gradients
from hrm_train.step._losses import LossFunction
from hrm_train.step._sums import Sums
from hrm_train.step._trees import Tree, flat


@dataclass
class LaneResults:
    """Results of all parts of the slots; a part is what one lane computes of one micro-batch.

    Attributes:
        carries: New carry of each part.
        sums: What is counted in each part.
        row_gradients: Gradient at the puzzle rows of each part `[B, E]`, or None.
        gradients: Dense gradients, summed over micro-batches, one tree for each lane.
    """

    carries: list[Carry] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)
    row_gradients: list[mx.array | None] = field(default_factory=list)
    gradients: list[Tree] = field(default_factory=list)


class LanePass:
    """Spreads slots over micro-batches and lanes, and computes the loss and its gradients for each part.

    Args:
        model: The model.
        loss: The loss of a step.
        size: Slots that are computed at once; divides the number of slots.

    Attributes:
        size: Slots of a micro-batch.
        streams: The lanes of the device for so many slots.
    """

    def __init__(self, model: HRM, loss: LossFunction, size: int) -> None:
        self.size = size
        self.streams = lanes(size)
        self._forward = CompiledSteps(model, partial(_forward, loss))

    def __call__(
        self, carry: Carry, batch: Batch, limit: mx.array, rows: mx.array | None, least: mx.array | None
    ) -> LaneResults:
        """Compute one step of the slots up to their gradients.

        Args:
            carry: State of the slots.
            batch: Examples for the slots that have halted.
            limit: Steps after which a slot halts, int scalar.
            rows: Puzzle rows of the slots `[B, E]`, if the model has any.
            least: Steps that each slot must take `[B]`, if exploration demands any.
        """
        results = LaneResults()
        share = self.size // len(self.streams)
        for start in range(0, carry["steps"].size, self.size):
            gradients: list[Tree] = []
            for i, stream in enumerate(self.streams):
                part = slice(start + i * share, start + (i + 1) * share)
                with mx.stream(stream):
                    own = [None if array is None else array[part] for array in (rows, least)]
                    new_carry, sums, gradient, row_gradient = self._forward(
                        i, slots(carry, part), slots(batch, part), limit, *own
                    )
                results.carries.append(new_carry)
                results.sums.append(sums)
                results.row_gradients.append(row_gradient)
                gradients.append(gradient)
            if start:
                gradients = [_add(*pair) for pair in zip(results.gradients, gradients, strict=True)]
                mx.async_eval(gradients)  # keeps only one micro-batch in memory
            results.gradients = gradients
        if len(self.streams) > 1:
            _start_in_order(results.gradients)
        return results


def _forward(
    loss: LossFunction,
    model: HRM,
    carry: Carry,
    batch: Batch,
    limit: mx.array,
    rows: mx.array | None,
    least: mx.array | None,
) -> tuple[Carry, Sums, Tree, mx.array | None]:
    carry, _, sums, gradients, row_gradients = loss_and_gradients(model, carry, batch, loss, limit, rows, least)
    return carry, sums, gradients, row_gradients


def _add(one: Tree, other: Tree) -> Tree:
    return cast(Tree, tree_map(mx.add, one, other))


def _start_in_order(gradients: Sequence[Tree]) -> None:
    """Start to evaluate the gradients of all lanes in the order of the backward pass.

    With several lanes MLX walks the graph breadth first, which computes the gradients of weights last and keeps all
    their inputs until then: twice the memory of the activations.
    """
    parts = [flat(gradient) for gradient in gradients]
    # The output heads, then the module that ran last, and the embeddings last.
    order = sorted(reversed(parts[0]), key=lambda name: (name.startswith("embed"), name.startswith("L_level")))
    for name in order:
        mx.async_eval([part[name] for part in parts])
