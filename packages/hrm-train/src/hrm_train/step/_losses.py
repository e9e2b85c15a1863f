"""The loss of an ACT step."""

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
from hrm_model import ACTOutput, Carry
from hrm_ops import log_stablemax

from hrm_train._choices import LossType

IGNORE_LABEL = -100
"""Label of a position without a target."""

# Annotated upstream as a function that returns object.
_custom_function: Any = mx.custom_function


def cross_entropy(logits: mx.array, labels: mx.array, loss_type: LossType) -> mx.array:
    """Return the cross entropy of every position, 0 where the label is ignored.

    Args:
        logits: `[..., V]`, of any float dtype; computed in float32.
        labels: `[...]` int, -100 at positions without a target.
        loss_type: The normalisation that turns logits into probabilities.

    Returns:
        `[...]` float32.
    """
    valid = labels != IGNORE_LABEL
    target = mx.where(valid, labels, 0)[..., None]
    logits = logits.astype(mx.float32)
    if loss_type == "stablemax_cross_entropy":
        log_p = mx.take_along_axis(log_stablemax(logits), target, axis=-1)[..., 0]
    else:
        log_p = (mx.take_along_axis(logits, target, axis=-1) - logits.logsumexp(axis=-1, keepdims=True))[..., 0]
    return mx.where(valid, -log_p, 0)


LossFunction = Callable[[ACTOutput, Carry], tuple[mx.array, Mapping[str, mx.array]]]
"""A loss of one ACT step, from the model's outputs and the slots after the step.

It returns the loss, and its terms by name for the reports: float32 scalars, summed over slots.
"""


def act_loss(output: ACTOutput, carry: Carry, loss_type: LossType) -> tuple[mx.array, dict[str, mx.array]]:
    """Return the loss of one ACT step and its terms, summed over slots; a `LossFunction` once `loss_type` is given.

    Source: arXiv 2506.21734, section 2: prediction loss plus half of both Q losses.

    Args:
        output: Output of the model for `B` slots.
        carry: The slots after the step; only `labels [B, L]` are read, -100 at positions without a target.
        loss_type: See `cross_entropy`.

    Returns:
        The loss, and `lm_loss`, `q_halt_loss` and, with a bootstrap target, `q_continue_loss`: float32 scalars.
    """
    labels = carry["labels"]
    valid = labels != IGNORE_LABEL
    num_valid = valid.sum(axis=-1)
    per_slot = cross_entropy(output.logits, labels, loss_type).sum(axis=-1) / mx.maximum(num_valid, 1)
    exact = (valid & (output.logits.argmax(axis=-1) == labels)).sum(axis=-1) == num_valid

    terms = {
        "lm_loss": per_slot.sum(),
        "q_halt_loss": _binary_cross_entropy(output.q_halt_logits, exact.astype(mx.float32)),
    }
    loss = terms["lm_loss"] + 0.5 * terms["q_halt_loss"]
    if output.target_q_continue is not None:
        terms["q_continue_loss"] = _binary_cross_entropy(output.q_continue_logits, output.target_q_continue)
        loss = loss + 0.5 * terms["q_continue_loss"]
    return loss, terms


@_custom_function
def _binary_cross_entropy(logits: mx.array, targets: mx.array) -> mx.array:
    """Return the summed cross entropy of `sigmoid(logits)` against targets in [0, 1]."""
    return (mx.logaddexp(logits, 0.0) - logits * targets).sum()


@_binary_cross_entropy.vjp
def _binary_cross_entropy_vjp(
    primals: tuple[mx.array, mx.array], cotangent: mx.array, _: mx.array
) -> tuple[mx.array, mx.array]:
    # The derivative of logaddexp differs from sigmoid by rounding. At the first step of every run the target is the
    # sigmoid of an equal logit, so the gradient would be rounding alone, and Adam-atan2 ignores its size.
    logits, targets = primals
    return cotangent * (mx.sigmoid(logits) - targets), -cotangent * logits
