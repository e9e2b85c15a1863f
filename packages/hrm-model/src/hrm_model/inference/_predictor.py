"""Inference with a fixed number of ACT steps for every puzzle."""

from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
from hrm_ops import lane_threads, lanes, prepare_kernels

from hrm_model._act import Batch, Carry, act_step, fill_halted_slots, for_inference, initial_carry, slots
from hrm_model._model import HRM


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

    The step is compiled once for each batch shape. The model's parameters may change between calls.

    Args:
        model: The model.
    """

    def __init__(self, model: HRM) -> None:
        prepare_kernels()
        self.model = model
        self._steps: dict[int, Any] = {}

    def __call__(self, batch: Batch) -> Prediction:
        """Answer a batch and evaluate the answer.

        Args:
            batch: `inputs [B, L]`, and `puzzle_identifiers [B]` where they are not all 0; labels are not read.
        """
        batch = for_inference(batch)
        parts = []
        streams = lanes(batch["inputs"].shape[0])
        size = batch["inputs"].shape[0] // len(streams)
        with lane_threads(batch["inputs"].shape[0]):
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
            carry, halting_steps, logits, q_halt, q_continue = self._step(lane)(carry, halting_steps)
        return Prediction(logits, q_halt, q_continue, halting_steps)

    def _step(self, lane: int) -> Any:
        if lane not in self._steps:

            @partial(mx.compile, inputs=[self.model.state])
            def step(carry: Carry, halting_steps: mx.array) -> tuple[Carry, mx.array, mx.array, mx.array, mx.array]:
                rows = self.model.puzzle_rows(carry["puzzle_identifiers"])
                carry, out = act_step(self.model, carry, rows, training=False)
                halts = out.q_halt_logits > out.q_continue_logits
                halting_steps = mx.where(halts, mx.minimum(halting_steps, carry["steps"]), halting_steps)
                return carry, halting_steps, out.logits, out.q_halt_logits, out.q_continue_logits

            self._steps[lane] = step
        return self._steps[lane]
