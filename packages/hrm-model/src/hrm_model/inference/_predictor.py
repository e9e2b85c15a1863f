"""Inference with a fixed number of ACT steps for every puzzle."""

from functools import partial
from typing import NamedTuple

import mlx.core as mx
from hrm_ops import from_any_thread, lane_threads, lanes

from hrm_model._act import Batch, Carry, act_step, fill_halted_slots, for_inference, initial_carry, slots
from hrm_model._compiled import CompiledSteps
from hrm_model._model import HRM
from hrm_model._size import multiplications
from hrm_model.inference._checks import checked


class Prediction(NamedTuple):
    """The outputs of the last ACT step for a batch of puzzles.

    Attributes:
        logits: Token logits `[B, L, V]` in the forward dtype.
        q_halt_logits: `[B]` float32.
        q_continue_logits: `[B]` float32.
        halting_steps: Number of steps after which the model itself would have halted (`q_halt > q_continue`),
            `[B]` int32; `halt_max_steps` where it never would. `Predictor` runs on to `halt_max_steps` anyway.
    """

    logits: mx.array
    q_halt_logits: mx.array
    q_continue_logits: mx.array
    halting_steps: mx.array

    @property
    def tokens(self) -> mx.array:
        """Most likely token of every position, `[B, L]` uint32."""
        return self.logits.argmax(axis=-1)


class Predictor:
    """Answers batches with `halt_max_steps` steps for every puzzle, like the reference in evaluation.

    The step is compiled once for each batch shape. The model's parameters may change between calls; a thread that
    changes them evaluates them before another one calls. Any thread may call; calls wait for each other.

    Args:
        model: The model.
    """

    def __init__(self, model: HRM) -> None:
        self.model = model
        self._multiplications = multiplications(model.config)
        self._step = CompiledSteps(model, _take_step)

    def __call__(self, batch: Batch) -> Prediction:
        """Answer a batch and evaluate the answer.

        Args:
            batch: `inputs [B, L]`, and `puzzle_identifiers [B]` where they are not all 0, of any integer dtype; labels
                are not read.

        Raises:
            HRMModelError: If the batch is not such a batch, or holds what the model does not know.
            HRMOpsError: If this process was forked after MLX had been used.
        """
        return from_any_thread(partial(self._answer, batch), self.model, batch)

    def _answer(self, batch: Batch) -> Prediction:
        batch = for_inference(checked(self.model.config, batch))
        parts = []
        count = batch["inputs"].shape[0]
        streams = lanes(count)
        size = count // len(streams)
        with lane_threads(count, count * self._multiplications):
            for i, stream in enumerate(streams):
                with mx.stream(stream):
                    parts.append(self._predict(i, slots(batch, slice(i * size, (i + 1) * size))))
            prediction = Prediction(*(mx.concatenate(list(field)) for field in zip(*parts, strict=True)))
            mx.eval(prediction)
        return prediction

    def _predict(self, lane: int, batch: Batch) -> Prediction:
        config = self.model.config
        carry = fill_halted_slots(self.model, initial_carry(config, batch["inputs"].shape[0]), batch)
        halting_steps = mx.full(carry["steps"].shape, config.halt_max_steps, mx.int32)
        for _ in range(config.halt_max_steps):
            carry, halting_steps, logits, q_halt, q_continue = self._step(lane, carry, halting_steps)
        return Prediction(logits, q_halt, q_continue, halting_steps)


def _take_step(
    model: HRM, carry: Carry, halting_steps: mx.array
) -> tuple[Carry, mx.array, mx.array, mx.array, mx.array]:
    rows = model.puzzle_rows(carry["puzzle_identifiers"])
    carry, out = act_step(model, carry, rows, training=False)
    halts = out.q_halt_logits > out.q_continue_logits
    halting_steps = mx.where(halts, mx.minimum(halting_steps, carry["steps"]), halting_steps)
    return carry, halting_steps, out.logits, out.q_halt_logits, out.q_continue_logits
