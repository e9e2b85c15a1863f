from functools import partial
from typing import Any, NamedTuple

import mlx.core as mx
from hrm_ops import lane_threads, lanes, prepare_kernels

from hrm_model._act import Batch, Carry, act_step, fill_halted_slots, initial_carry, slots
from hrm_model._model import HRM


class Prediction(NamedTuple):
    """What the model answers after its last ACT step.

    Attributes:
        logits: Token logits ``[B, L, V]`` in the forward dtype.
        q_halt_logits: ``[B]`` float32.
        q_continue_logits: ``[B]`` float32.
        steps: Steps after which the model itself would have halted (``q_halt > q_continue``), ``[B]`` int32;
            ``halt_max_steps`` where it never would.
    """

    logits: mx.array
    q_halt_logits: mx.array
    q_continue_logits: mx.array
    steps: mx.array

    @property
    def tokens(self) -> mx.array:
        """Most likely token of every position ``[B, L]`` uint32."""
        return self.logits.argmax(axis=-1)


class Predictor:
    """Answers batches by always running ``halt_max_steps`` steps, as the reference does in evaluation.

    The step is compiled once per batch shape; parameters may change between calls.

    Args:
        model: The model.
    """

    def __init__(self, model: HRM) -> None:
        prepare_kernels()
        self.model = model
        self._steps: dict[int, Any] = {}

    def __call__(self, batch: Batch) -> Prediction:
        """Answer a batch ``[B, L]``, whose labels are not looked at, and evaluate the answer."""
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
        halted_at = mx.full(carry["steps"].shape, config.halt_max_steps, mx.int32)
        for _ in range(config.halt_max_steps):
            carry, halted_at, logits, q_halt, q_continue = self._step(lane)(carry, halted_at)
        return Prediction(logits, q_halt, q_continue, halted_at)

    def _step(self, lane: int) -> Any:
        if lane not in self._steps:

            @partial(mx.compile, inputs=[self.model.state])
            def step(carry: Carry, halted_at: mx.array) -> tuple[Carry, mx.array, mx.array, mx.array, mx.array]:
                rows = self.model.puzzle_rows(carry["puzzle_identifiers"])
                carry, out = act_step(self.model, carry, rows, training=False)
                halts = out.q_halt_logits > out.q_continue_logits
                halted_at = mx.where(halts, mx.minimum(halted_at, carry["steps"]), halted_at)
                return carry, halted_at, out.logits, out.q_halt_logits, out.q_continue_logits

            self._steps[lane] = step
        return self._steps[lane]
