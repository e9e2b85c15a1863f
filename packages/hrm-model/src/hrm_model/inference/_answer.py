"""The answer to a puzzle, and the answers after the steps that led to it."""

import math
from typing import NamedTuple

Tokens = list[int]


class Thought(NamedTuple):
    """The answer so far after one ACT step.

    Attributes:
        tokens: Most likely token of every position, length `L`.
        q_halt: Logit of halting.
        q_continue: Logit of continuing.
    """

    tokens: Tokens
    q_halt: float
    q_continue: float

    @property
    def confidence(self) -> float:
        """Probability, from 0 to 1, that the model assigns to this answer being correct."""
        return _confidence(self.q_halt)


class Answer(NamedTuple):
    """The answer to one puzzle.

    Attributes:
        tokens: Most likely token of every position, length `L`.
        steps: Number of ACT steps that were run.
        q_halt: Logit of halting at the step of this answer.
        q_continue: Logit of continuing at that step.
        trace: The answer so far after every step, including the last, if a trace was requested; else empty.
    """

    tokens: Tokens
    steps: int
    q_halt: float
    q_continue: float
    trace: tuple[Thought, ...] = ()

    @property
    def confidence(self) -> float:
        """Probability, from 0 to 1, that the model assigns to its answer being correct."""
        return _confidence(self.q_halt)


def _confidence(q_halt: float) -> float:
    """Return the sigmoid of `q_halt`, in a form that does not overflow."""
    return (1 + math.tanh(q_halt / 2)) / 2
