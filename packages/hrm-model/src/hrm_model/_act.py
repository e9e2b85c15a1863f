from typing import Any, NamedTuple, TypedDict

import mlx.core as mx

from hrm_model._config import HRMConfig
from hrm_model._model import HRM


class Batch(TypedDict):
    """Examples that wait for a slot: ``inputs`` and ``labels`` ``[B, L]``, ``puzzle_identifiers`` ``[B]``, int32.

    Labels of -100 are ignored.
    """

    inputs: mx.array
    labels: mx.array
    puzzle_identifiers: mx.array


class Carry(Batch):
    """State of every slot between two ACT steps, and the example that the slot works on.

    ``z_H`` and ``z_L`` are ``[B, P + L, D]`` in the forward dtype, ``steps [B]`` int32 counts the steps
    of the current example, ``halted [B]`` bool says that the slot takes a new example next.
    """

    z_H: mx.array
    z_L: mx.array
    steps: mx.array
    halted: mx.array


class ACTOutput(NamedTuple):
    """What one ACT step gives.

    Attributes:
        logits: Token logits ``[B, L, V]`` in the forward dtype.
        q_halt_logits: ``[B]`` float32.
        q_continue_logits: ``[B]`` float32.
        target_q_continue: ``[B]`` float32 in training with a bootstrap pass, else None.
    """

    logits: mx.array
    q_halt_logits: mx.array
    q_continue_logits: mx.array
    target_q_continue: mx.array | None


def initial_carry(config: HRMConfig, batch_size: int) -> Carry:
    """Return a carry of ``batch_size`` halted slots, so that the first step fills them all."""
    state = mx.zeros((batch_size, config.total_len, config.hidden_size), config.dtype)
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
    """Return some of the slots of a :class:`Batch` or :class:`Carry`, as the same kind of dictionary."""
    return {name: array[part] for name, array in of.items()}


def fill_halted_slots(model: HRM, carry: Carry, batch: Batch) -> Carry:
    """Give every halted slot the next example, the initial states and a step count of 0.

    Source: arXiv 2506.21734, section 2, "deep supervision" and "adaptive computation time".
    """
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


def least_steps(config: HRMConfig, batch_size: int) -> mx.array:
    """Draw how many steps exploration demands of each slot, ``[B]`` int32; 0 where it demands none.

    With probability ``halt_exploration_prob`` a slot must take at least a number of steps that is uniform over
    2 to ``halt_max_steps`` (arXiv 2506.21734, section 2, "Q-learning").
    """
    explore = mx.random.uniform(shape=(batch_size,)) < config.halt_exploration_prob
    least = mx.random.randint(2, config.halt_max_steps + 1, (batch_size,))
    return mx.where(explore, least, 0)


def halting(
    config: HRMConfig,
    steps: mx.array,
    q_logits: mx.array,
    training: bool,
    max_steps: mx.array | int | None = None,
    least: mx.array | None = None,
) -> mx.array:
    """Decide which slots halt: ``[B]`` bool.

    A slot halts at ``halt_max_steps``; in training also when halting is worth more than continuing, unless
    exploration demands a least number of steps (arXiv 2506.21734, section 2, "Q-learning").

    Args:
        config: For ``halt_max_steps`` and ``halt_exploration_prob``.
        steps: Steps taken, the present one included, ``[B]`` int32.
        q_logits: Values of halting and continuing ``[B, 2]``.
        training: Whether halting early and exploring are allowed.
        max_steps: In place of ``halt_max_steps``, at most that.
        least: Steps that each slot must take, ``[B]``; drawn by :func:`least_steps` when left out.
    """
    at_limit = steps >= (config.halt_max_steps if max_steps is None else max_steps)
    if not training or config.halt_max_steps == 1:
        return at_limit
    halted = q_logits[:, 0] > q_logits[:, 1]
    if least is None and config.halt_exploration_prob > 0:
        least = least_steps(config, steps.size)
    if least is not None:
        halted = halted & (steps >= least)
    return at_limit | halted


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
        carry: Slots as :func:`fill_halted_slots` left them.
        puzzle_rows: Puzzle embeddings of the slots ``[B, E]``; None for a model without a prefix.
        training: Whether slots may halt early and the bootstrap target of Q-learning is computed.
        max_steps: Steps after which a slot halts, in place of ``halt_max_steps`` and at most that.
        least: Steps that each slot must take in training, see :func:`halting`.

    Returns:
        The new carry and the outputs.
    """
    config = model.config
    x = model.embed(carry["inputs"], puzzle_rows)
    out = model(carry["z_H"], carry["z_L"], x)
    steps = carry["steps"] + 1
    q_halt, q_continue = out.q_logits[:, 0], out.q_logits[:, 1]
    limit = config.halt_max_steps if max_steps is None else max_steps
    halted = halting(config, steps, mx.stop_gradient(out.q_logits), training, limit, least)
    target = None
    if training and config.bootstraps:
        next_z_H, _ = model.reason(out.z_H, out.z_L, mx.stop_gradient(x), first=1)  # only q is needed
        next_q = model.q_values(next_z_H)
        is_last = steps >= limit
        best = mx.where(is_last, next_q[:, 0], mx.maximum(next_q[:, 0], next_q[:, 1]))
        target = mx.stop_gradient(mx.sigmoid(best))
    new_carry: Carry = {**carry, "z_H": out.z_H, "z_L": out.z_L, "steps": steps, "halted": halted}
    return new_carry, ACTOutput(out.logits, q_halt, q_continue, target)
