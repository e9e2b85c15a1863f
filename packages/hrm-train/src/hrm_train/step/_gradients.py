"""One ACT training step of some slots, up to its sums and gradients."""

from typing import Any

import mlx.core as mx
from hrm_model import HRM, ACTOutput, Batch, Carry, act_step, fill_halted_slots

from hrm_train.step._losses import LossFunction
from hrm_train.step._sums import Sums, answer_sums
from hrm_train.step._trees import Tree


def loss_and_gradients(
    model: HRM,
    carry: Carry,
    batch: Batch,
    loss: LossFunction,
    max_steps: mx.array | int | None = None,
    rows: mx.array | None = None,
    least: mx.array | None = None,
) -> tuple[Carry, ACTOutput, Sums, Tree, mx.array | None]:
    """Run one ACT training step up to the gradients of `loss / batch_size`.

    Args:
        model: The model.
        carry: Slots of the previous step.
        batch: Examples for the slots that have halted.
        loss: Such as `partial(act_loss, loss_type="softmax_cross_entropy")`.
        max_steps: Steps after which a slot halts; defaults to `halt_max_steps`, and is at most that.
        rows: Puzzle rows `[B, E]` of the filled slots; looked up by default.
        least: Steps that exploration demands of each slot `[B]`; drawn by default.

    Returns:
        The new carry; the outputs; sums: over all slots `loss` and its terms, over the slots that halt and have a label
        `count`, `accuracy`, `exact_accuracy`, `q_halt_accuracy`, `steps`, and `halting_steps` `[halt_max_steps]` (how
        many took 1, 2, ... steps); the tree of dense gradients; and the gradient at each slot's puzzle row `[B, E]`
        (None without a prefix).
    """
    carry = fill_halted_slots(model, carry, batch)
    parameters = model.trainable_parameters()
    trained: dict[str, Any] = {"dense": parameters}
    if rows is None:
        rows = model.puzzle_rows(carry["puzzle_identifiers"])
    if rows is not None:
        trained["rows"] = rows

    def loss_fn(trained: Tree) -> tuple[mx.array, Any]:
        model.update(trained["dense"])
        new_carry, output = act_step(model, carry, trained.get("rows"), True, max_steps, least)
        total, terms = loss(output, new_carry)
        sums = {**answer_sums(output, new_carry, model.config.halt_max_steps), **terms, "loss": total}
        return total / carry["steps"].size, (new_carry, output, sums)

    try:
        (_, (new_carry, output, sums)), gradients = mx.value_and_grad(loss_fn)(trained)
    finally:
        model.update(parameters)
    return new_carry, output, sums, gradients["dense"], gradients.get("rows")
