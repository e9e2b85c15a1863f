"""One ACT training step of some slots, up to its metrics and gradients."""

from typing import Any

import mlx.core as mx
from hrm_model import HRM, ACTOutput, Batch, Carry, HRMConfig, act_step, fill_halted_slots

from hrm_train._choices import LossType
from hrm_train.step._losses import IGNORE_LABEL, act_loss
from hrm_train.step._trees import Tree

Metrics = dict[str, mx.array]


def loss_and_gradients(
    model: HRM,
    carry: Carry,
    batch: Batch,
    loss_type: LossType,
    max_steps: mx.array | int | None = None,
    rows: mx.array | None = None,
    least: mx.array | None = None,
) -> tuple[Carry, ACTOutput, Metrics, Tree, mx.array | None]:
    """Run one ACT training step up to the gradients of `loss / batch_size`.

    Args:
        model: The model.
        carry: Slots of the previous step.
        batch: Examples for the slots that have halted.
        loss_type: See `cross_entropy`.
        max_steps: Steps after which a slot halts; defaults to `halt_max_steps`, and is at most that.
        rows: Puzzle rows `[B, E]` of the filled slots; looked up by default.
        least: Steps that exploration demands of each slot `[B]`; drawn by default.

    Returns:
        The new carry; the outputs; the metrics of `act_loss` together with the summed `loss` and
        `halting_steps` `[halt_max_steps]` (how many of the counted slots took 1, 2, ... steps); the tree of dense
        gradients; and the gradient at each slot's puzzle row `[B, E]` (None without a prefix).
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
        loss, metrics = act_loss(output, new_carry["labels"], new_carry["steps"], new_carry["halted"], loss_type)
        metrics |= {"loss": loss, "halting_steps": _halting_steps(new_carry, model.config.halt_max_steps)}
        return loss / carry["steps"].size, (new_carry, output, metrics)

    try:
        (_, (new_carry, output, metrics)), gradients = mx.value_and_grad(loss_fn)(trained)
    finally:
        model.update(parameters)
    return new_carry, output, metrics, gradients["dense"], gradients.get("rows")


def zero_metrics(config: HRMConfig) -> Metrics:
    """Return zero for each metric of `loss_and_gradients`."""
    names = ["count", "accuracy", "exact_accuracy", "q_halt_accuracy", "steps", "lm_loss", "q_halt_loss", "loss"]
    if config.bootstraps:
        names.append("q_continue_loss")
    zeros = {name: mx.zeros(()) for name in names}
    return {**zeros, "halting_steps": mx.zeros((config.halt_max_steps,))}


def _halting_steps(carry: Carry, most: int) -> mx.array:
    counted = carry["halted"] & (carry["labels"] != IGNORE_LABEL).any(axis=-1)
    at = carry["steps"][:, None] == mx.arange(1, most + 1)
    return (at & counted[:, None]).sum(axis=0).astype(mx.float32)
