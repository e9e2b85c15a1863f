from collections.abc import Callable
from functools import partial
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from hrm_model import HRM, ACTOutput, Batch, Carry, act_step, fill_halted_slots

from hrm_train._losses import LossType, act_loss
from hrm_train._optimizers import AdamAtan2, SparseSignSGD

Metrics = dict[str, mx.array]


def loss_and_gradients(
    model: HRM, carry: Carry, batch: Batch, loss_type: LossType
) -> tuple[Carry, ACTOutput, Metrics, dict[str, Any], mx.array | None]:
    """Run one ACT training step up to the gradients of ``loss / batch_size``.

    Returns:
        The new carry, the outputs, the metrics of :func:`act_loss` with ``loss`` (summed) added, the tree of
        dense gradients, and the gradients of each slot's puzzle row ``[B, E]`` (None without a prefix).
    """
    carry = fill_halted_slots(model, carry, batch)
    rows = model.puzzle_rows(carry["puzzle_identifiers"])

    def loss_fn(parameters: dict[str, Any], rows: mx.array | None) -> tuple[mx.array, Any]:
        model.update(parameters)
        new_carry, output = act_step(model, carry, rows, training=True)
        loss, metrics = act_loss(output, new_carry["labels"], new_carry["steps"], new_carry["halted"], loss_type)
        return loss / carry["steps"].size, (new_carry, output, {**metrics, "loss": loss})

    parameters = model.trainable_parameters()
    if rows is None:
        (_, (new_carry, output, metrics)), gradients = mx.value_and_grad(loss_fn)(parameters, None)
        row_gradients = None
    else:
        grad = mx.value_and_grad(loss_fn, argnums=(0, 1))
        (_, (new_carry, output, metrics)), (gradients, row_gradients) = grad(parameters, rows)
    model.update(parameters)
    return new_carry, output, metrics, gradients, row_gradients
