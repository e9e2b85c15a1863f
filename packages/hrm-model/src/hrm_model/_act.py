"""Adaptive computation time (ACT): the batch, the carry of every slot, and one step of all slots."""

from contextlib import nullcontext
from typing import Any, NamedTuple, NotRequired, TypedDict

import mlx.core as mx
from hrm_ops import without_gradient

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError
from hrm_model._halting import halting
from hrm_model._model import HRM


class Batch(TypedDict):
    """Examples that wait for a slot; answering needs `inputs` only, training needs all three arrays.

    `inputs` and `labels` are `[B, L]`, `puzzle_identifiers` is `[B]`; all are int32. A label of -100 is ignored.
    When a batch is answered, a missing `puzzle_identifiers` means identifier 0 and `labels` are not read.
    """

    inputs: mx.array
    labels: NotRequired[mx.array]
    puzzle_identifiers: NotRequired[mx.array]


class Carry(TypedDict):
    """State of every slot between two ACT steps, with the example that the slot works on.

    `z_H` and `z_L` are `[B, N, D]`, `N` the configuration's `state_len`, in the forward dtype. `steps [B]` int32 counts
    the steps of the current example. `halted [B]` bool marks slots that take a new example next. `inputs`, `labels` and
    `puzzle_identifiers` are those of the current example, as in `Batch`.
    """

    z_H: mx.array
    z_L: mx.array
    steps: mx.array
    halted: mx.array
    inputs: mx.array
    labels: mx.array
    puzzle_identifiers: mx.array


class ACTOutput(NamedTuple):
    """The outputs of one ACT step.

    Attributes:
        logits: Token logits `[B, L, V]` in the forward dtype.
        q_halt_logits: `[B]` float32.
        q_continue_logits: `[B]` float32.
        target_q_continue: `[B]` float32 in training with a bootstrap pass, else None.
    """

    logits: mx.array
    q_halt_logits: mx.array
    q_continue_logits: mx.array
    target_q_continue: mx.array | None


def initial_carry(config: HRMConfig, batch_size: int) -> Carry:
    """Return a carry of `batch_size` halted slots; the first step fills them all."""
    state = mx.zeros((batch_size, config.state_len, config.hidden_size), config.dtype)
    tokens = mx.zeros((batch_size, config.seq_len), mx.int32)
    per_slot = mx.zeros((batch_size,), mx.int32)
    return Carry(
        z_H=state,
        z_L=state,
        steps=per_slot,
        halted=mx.ones((batch_size,), mx.bool_),
        inputs=tokens,
        labels=tokens,
        puzzle_identifiers=per_slot,
    )


def slots(of: Any, part: slice) -> Any:
    """Return a slice of the slots of a `Batch` or `Carry`, as the same kind of dictionary."""
    return {name: array[part] for name, array in of.items()}


def for_inference(batch: Batch) -> Batch:
    """Return the batch as inference needs it: with puzzle identifiers, and with labels that are not read."""
    inputs = batch["inputs"]
    identifiers = batch.get("puzzle_identifiers")
    if identifiers is None:
        identifiers = mx.zeros(inputs.shape[:1], mx.int32)
    return Batch(inputs=inputs, labels=inputs, puzzle_identifiers=identifiers)


def fill_halted_slots(model: HRM, carry: Carry, batch: Batch) -> Carry:
    """Give every halted slot the next example, the initial states and a step count of 0.

    Source: arXiv 2506.21734, section 2, "deep supervision" and "adaptive computation time".

    Raises:
        HRMModelError: If the batch lacks labels or puzzle identifiers.
    """
    for name in Batch.__annotations__:
        if name not in batch:
            raise HRMModelError(f"the batch has no {name}, but a slot needs inputs, labels and puzzle_identifiers")
    halted = carry["halted"]

    def choose(new: mx.array, old: mx.array) -> mx.array:
        return mx.where(halted.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return Carry(
        z_H=choose(model.H_init.astype(carry["z_H"].dtype), carry["z_H"]),
        z_L=choose(model.L_init.astype(carry["z_L"].dtype), carry["z_L"]),
        steps=mx.where(halted, 0, carry["steps"]),
        halted=halted,
        inputs=choose(batch["inputs"], carry["inputs"]),
        labels=choose(batch["labels"], carry["labels"]),
        puzzle_identifiers=mx.where(halted, batch["puzzle_identifiers"], carry["puzzle_identifiers"]),
    )


def act_step(
    model: HRM,
    carry: Carry,
    puzzle_rows: mx.array | None,
    training: bool,
    max_steps: mx.array | int | None = None,
    least: mx.array | None = None,
) -> tuple[Carry, ACTOutput]:
    """Advance every slot by one step.

    Args:
        model: The model.
        carry: Slots that `fill_halted_slots` has filled.
        puzzle_rows: Puzzle embeddings of the slots, `[B, E]`; None for a model without a prefix.
        training: Whether slots may halt early and the bootstrap target of Q-learning is computed.
        max_steps: A limit to use instead of `halt_max_steps`; at most that.
        least: Minimum steps of each slot in training, see `halting`.

    Returns:
        The new carry and the outputs.
    """
    config = model.config
    x = model.embed(carry["inputs"], puzzle_rows)
    with nullcontext() if training else without_gradient():
        out = model(carry["z_H"], carry["z_L"], x)
    steps = carry["steps"] + 1
    q_halt, q_continue = out.q_logits[:, 0], out.q_logits[:, 1]
    limit = config.halt_max_steps if max_steps is None else max_steps
    halted = halting(config, steps, mx.stop_gradient(out.q_logits), training, limit, least)
    target = None
    if training and config.bootstraps:
        with without_gradient():
            next_z_H, _ = model.reason(out.z_H, out.z_L, mx.stop_gradient(x), first=1)  # only q is needed
        next_q = model.q_values(next_z_H)
        is_last = steps >= limit
        best = mx.where(is_last, next_q[:, 0], mx.maximum(next_q[:, 0], next_q[:, 1]))
        target = mx.stop_gradient(mx.sigmoid(best))
    new_carry: Carry = {**carry, "z_H": out.z_H, "z_L": out.z_L, "steps": steps, "halted": halted}
    return new_carry, ACTOutput(out.logits, q_halt, q_continue, target)
