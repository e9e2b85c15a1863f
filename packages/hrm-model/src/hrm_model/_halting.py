"""The halting rules: when a slot halts in training, and when a puzzle halts at inference."""

from typing import Literal, NamedTuple

import mlx.core as mx

from hrm_model._config import HRMConfig
from hrm_model._errors import HRMModelError


def least_steps(config: HRMConfig, batch_size: int) -> mx.array:
    """Draw the minimum number of steps that exploration demands of each slot.

    With probability `halt_exploration_prob` a slot must take at least `n` steps, where `n` is uniform over
    2 to `halt_max_steps` (arXiv 2506.21734, section 2, "Q-learning").

    Returns:
        `[B]` int32; 0 where there is no minimum.
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
    """Return which slots halt after a step, `[B]` bool.

    A slot halts at `halt_max_steps`. In training it also halts when `q_halt > q_continue`, unless exploration
    demands more steps (arXiv 2506.21734, section 2, "Q-learning"). Inference adds a `HaltingRule`.

    Args:
        config: Gives `halt_max_steps` and `halt_exploration_prob`.
        steps: Steps taken, including this one, `[B]` int32.
        q_logits: `q_halt` and `q_continue`, `[B, 2]`.
        training: Whether early halting and exploration are on.
        max_steps: A limit to use instead of `halt_max_steps`; at most that.
        least: Minimum steps of each slot, `[B]`; drawn by `least_steps` if not given.
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


class HaltingRule(NamedTuple):
    """When a puzzle halts at inference, before it reaches the maximum number of steps.

    Attributes:
        kind: `max` never halts early, like the reference. `q` halts when `q_halt > q_continue` (arXiv 2506.21734,
            section 2, "adaptive computation time"). `confidence` halts when the confidence reaches `threshold`.
            `stable` halts when the answer has stayed the same for `patience` steps.
        threshold: Probability for `confidence`.
        patience: Number of steps for `stable`.
    """

    kind: Literal["max", "q", "confidence", "stable"] = "q"
    threshold: float = 0.5
    patience: int = 2

    def check(self) -> None:
        """Raise `HRMModelError` if the rule is invalid."""
        if self.kind not in ("max", "q", "confidence", "stable"):
            raise HRMModelError(f"halting is {self.kind!r}, but must be max, q, confidence or stable")
        if not 0 <= self.threshold <= 1:
            raise HRMModelError(f"threshold is {self.threshold}, but must be between 0 and 1")
        if self.patience < 1:
            raise HRMModelError(f"patience is {self.patience}, but must be at least 1")

    def wants_to_halt(self, q_halt: mx.array, q_continue: mx.array, unchanged: mx.array) -> mx.array:
        """Return which slots halt early.

        Args:
            q_halt: Logit of halting, `[B]` float32.
            q_continue: Logit of continuing, `[B]` float32.
            unchanged: Number of steps for which the answer has stayed the same, `[B]` int32.

        Returns:
            `[B]` bool.
        """
        match self.kind:
            case "q":
                return q_halt > q_continue
            case "confidence":
                return mx.sigmoid(q_halt) >= self.threshold
            case "stable":
                return unchanged >= self.patience
            case _:
                return mx.zeros(q_halt.shape, mx.bool_)
