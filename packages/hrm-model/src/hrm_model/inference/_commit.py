"""Committing: fix the cells of which the model is sure in the puzzle itself, and go on."""

from typing import NamedTuple

import mlx.core as mx

from hrm_model._errors import HRMModelError


class Commit(NamedTuple):
    """When a puzzle's steps are over and it has not halted, write sure cells into it and give it new steps.

    The surest open cell is written even if no cell is sure enough, so that a puzzle with `n` open cells has `n` rounds
    of steps at most. Cells that are given, or written, are part of every answer.

    Attributes:
        probability: The least probability of a cell that is written, from 0 to 1.
        open_token: The token of an open cell in a puzzle.
    """

    probability: float
    open_token: int

    def check(self, vocab_size: int) -> None:
        """Raise `HRMModelError` if a number is out of range."""
        if not 0 <= self.probability <= 1:
            raise HRMModelError(f"the probability of committing is {self.probability}, but must be between 0 and 1")
        if not 0 <= self.open_token < vocab_size:
            raise HRMModelError(f"open_token is {self.open_token}, but the model has the tokens 0 to {vocab_size - 1}")

    def answer(self, inputs: mx.array, logits: mx.array) -> mx.array:
        """Return the most likely filling of the open cells, `[B, L]` int32.

        Args:
            inputs: The puzzles `[B, L]`.
            logits: Token logits `[B, L, V]`.
        """
        tokens = mx.arange(logits.shape[-1])
        no_filling = (tokens == self.open_token) | (tokens == 0)  # 0 is padding
        filling = mx.where(no_filling, -mx.inf, logits).argmax(axis=-1).astype(mx.int32)
        return mx.where(inputs == self.open_token, filling, inputs)

    def write(self, inputs: mx.array, logits: mx.array) -> mx.array:
        """Return the puzzles with their sure cells filled in, at least one in each that has an open cell, `[B, L]`."""
        answer = self.answer(inputs, logits)
        log_p = mx.take_along_axis(logits, answer[..., None], axis=-1)[..., 0] - logits.logsumexp(axis=-1)
        is_open = inputs == self.open_token
        p = mx.where(is_open, mx.exp(log_p), -1.0)
        surest = mx.arange(inputs.shape[1]) == p.argmax(axis=-1, keepdims=True)
        return mx.where(is_open & ((p >= self.probability) | surest), answer, inputs)
