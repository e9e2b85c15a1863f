from typing import Literal, NamedTuple

import mlx.core as mx

from hrm_model._errors import HRMModelError


class HaltingRule(NamedTuple):
    """When a puzzle has been thought about for long enough at inference.

    Attributes:
        kind: ``max`` never halts early, as the reference; ``q`` halts when halting is worth more than continuing
            (arXiv 2506.21734, section 2, "adaptive computation time"); ``confidence`` when the model holds its answer
            right with a probability of at least ``threshold``; ``stable`` when ``patience`` steps in a row have not
            changed the answer.
        threshold: Probability for ``confidence``.
        patience: Steps for ``stable``.
    """

    kind: Literal["max", "q", "confidence", "stable"] = "q"
    threshold: float = 0.5
    patience: int = 2

    def check(self) -> None:
        """Raise ``HRMModelError`` for a rule that there is not."""
        if self.kind not in ("max", "q", "confidence", "stable"):
            raise HRMModelError(f"halting is {self.kind!r}, but should be max, q, confidence or stable")
        if not 0 <= self.threshold <= 1:
            raise HRMModelError(f"threshold is {self.threshold}, but should be a probability")
        if self.patience < 1:
            raise HRMModelError(f"patience is {self.patience}, but should be at least 1")

    def wants_to_halt(self, q_halt: mx.array, q_continue: mx.array, unchanged: mx.array) -> mx.array:
        """Decide for every slot.

        Args:
            q_halt: Value of halting as a logit ``[B]`` float32.
            q_continue: Value of continuing as a logit ``[B]`` float32.
            unchanged: For how many steps the answer has not changed ``[B]`` int32.

        Returns:
            ``[B]`` bool.
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
