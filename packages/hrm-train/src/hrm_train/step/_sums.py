"""What training steps count: sums over slots, on the device, and the means that they stand for."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
from hrm_model import ACTOutput, Carry, HRMConfig, initial_carry
from mlx.utils import tree_map

from hrm_train._errors import HRMTrainError
from hrm_train.step._losses import IGNORE_LABEL, LossFunction

Sums = dict[str, mx.array]

_OF_ANSWERS = ("count", "accuracy", "exact_accuracy", "q_halt_accuracy", "steps", "halting_steps")


def answer_sums(output: ACTOutput, carry: Carry, most_steps: int) -> Sums:
    """Return sums over the slots that halt in this step and have a label.

    Args:
        output: Output of the model for `B` slots.
        carry: The slots after the step.
        most_steps: The model's `halt_max_steps`.

    Returns:
        Float32 scalars: `count` of these slots, and over them the sums of `accuracy`, `exact_accuracy`,
        `q_halt_accuracy` and `steps`. `halting_steps [most_steps]`: how many of them took 1, 2, ... steps.
    """
    labels, steps = carry["labels"], carry["steps"]
    valid = labels != IGNORE_LABEL
    num_valid = valid.sum(axis=-1)
    num_correct = (valid & (output.logits.argmax(axis=-1) == labels)).sum(axis=-1)
    exact = num_correct == num_valid
    counted = carry["halted"] & (num_valid > 0)

    def total(x: mx.array) -> mx.array:
        return mx.where(counted, x, 0).sum().astype(mx.float32)

    at = steps[:, None] == mx.arange(1, most_steps + 1)
    return {
        "count": total(mx.ones_like(num_valid)),
        "accuracy": total(num_correct / mx.maximum(num_valid, 1)),
        "exact_accuracy": total(exact),
        "q_halt_accuracy": total((output.q_halt_logits >= 0) == exact),
        "steps": total(steps),
        "halting_steps": (at & counted[:, None]).sum(axis=0).astype(mx.float32),
    }


def zero_sums(config: HRMConfig, loss: LossFunction) -> Sums:
    """Return zero for everything that a step counts; the loss is called once, and nothing is computed.

    Raises:
        HRMTrainError: If the loss or one of its terms is no scalar, or a term has the name of another number.
    """
    logits = mx.zeros((1, config.seq_len, config.vocab_size), config.dtype)
    q = mx.zeros((1,))
    output, carry = ACTOutput(logits, q, q, q if config.bootstraps else None), initial_carry(config, 1)
    total, terms = loss(output, carry)
    for name, array in {"loss": total, **terms}.items():
        if not isinstance(array, mx.array) or array.ndim:
            found = f"{array.shape}" if isinstance(array, mx.array) else type(array).__name__
            raise HRMTrainError(
                f"the loss function gives {name} {found}, but it must be a scalar array; sum over slots"
            )
    if taken := {"loss", *_OF_ANSWERS} & terms.keys():
        raise HRMTrainError(f"the loss function calls a term {min(taken)}, which names another number; rename it")
    zeros: Sums = tree_map(mx.zeros_like, answer_sums(output, carry, config.halt_max_steps))
    return {**zeros, **{name: mx.zeros(()) for name in ("loss", *terms)}}


def means_of(sums: Mapping[str, mx.array], slots: int) -> dict[str, Any]:
    """Return the means of sums, read back from the device.

    Args:
        sums: As `zero_sums` names them.
        slots: How many slots were counted, each as often as it took a step.

    Returns:
        `count` and `halting_steps` as they are; means over `count` of what is known of answers, and over `slots` of the
        loss and its terms. A mean over nothing is 0.
    """
    values: dict[str, Any] = tree_map(lambda array: array.tolist(), dict(sums))
    halting_steps = [int(number) for number in values.pop("halting_steps")]
    count = int(values.pop("count"))
    of = {name: count if name in _OF_ANSWERS else slots for name in values}
    means = {name: total / max(1, of[name]) for name, total in values.items()}
    return {"count": count, **means, "halting_steps": halting_steps}
